#include "app/serve_metrics.h"

#include <chrono>
#include <string>

namespace stenod::app {
namespace {

double now_stretch(live::Pacer& pacer) { return pacer.stretch(std::chrono::steady_clock::now()); }

}  // namespace

void export_metrics(MetricRegistry& metrics, transcribe::Recogniser& recogniser, api::LiveService& live,
                    api::FileService& files, live::Pacer& pacer) {
  const auto engine = [&](const std::string& name, const std::string& help, auto member) {
    metrics.counter_function(
        name, help, [&recogniser, member] { return static_cast<double>(recogniser.engine().statistics().*member); });
  };
  using Statistics = engine::Statistics;
  engine("stenod_engine_requests_total", "Windows of audio that the engine has accepted", &Statistics::submitted);
  engine("stenod_engine_completed_total", "Windows whose text was found", &Statistics::completed);
  engine("stenod_engine_failed_total", "Windows that ended with an error", &Statistics::failed);
  engine("stenod_engine_cancelled_total", "Windows that nobody wanted any more", &Statistics::cancelled);
  engine("stenod_engine_overdue_total", "Windows that missed their deadline", &Statistics::deadline_exceeded);
  engine("stenod_engine_refused_total", "Windows that found the queue full", &Statistics::overloaded);
  engine("stenod_engine_repeats_total", "Windows decoded again in a longer window", &Statistics::repeats);
  engine("stenod_engine_groups_total", "Groups of windows encoded", &Statistics::groups);
  engine("stenod_engine_frames_total", "Frames of 20 ms encoded, padding included", &Statistics::frames_encoded);
  engine("stenod_engine_steps_total", "Decoder steps", &Statistics::steps);
  engine("stenod_engine_encode_seconds_total", "Time spent in the encoder", &Statistics::encode_s);
  engine("stenod_engine_step_seconds_total", "Time spent in decoder steps", &Statistics::step_s);
  metrics.gauge_function("stenod_engine_waiting_windows", "Windows that wait for a slot",
                         [&recogniser] { return recogniser.engine().statistics().num_waiting; });
  metrics.gauge_function("stenod_engine_active_windows", "Windows that are being decoded",
                         [&recogniser] { return recogniser.engine().statistics().num_active; });

  metrics.gauge_function("stenod_live_sessions", "Live sessions that are open",
                         [&live] { return static_cast<double>(live.sessions().size()); });
  const auto counted = [&](const std::string& name, const std::string& help, auto member) {
    metrics.counter_function(name, help, [&live, member] { return static_cast<double>(live.counters().*member); });
  };
  using Counters = api::LiveCounters;
  counted("stenod_live_sessions_total", "Live sessions opened", &Counters::opened);
  counted("stenod_live_partials_total", "Partials sent", &Counters::partials);
  counted("stenod_live_finals_total", "Finals sent", &Counters::finals);
  counted("stenod_live_audio_seconds_total", "Audio received by live sessions", &Counters::audio_s);
  counted("stenod_live_transcribed_seconds_total", "Audio of ended live sessions that became text",
          &Counters::transcribed_s);
  const auto by = [&](const std::string& name, const std::string& help, const std::string& label, auto member) {
    metrics.counters_function(name, help, label, [&live, member] { return live.counters().*member; });
  };
  by("stenod_live_sessions_refused_total", "Live sessions refused, by error", "code", &Counters::refused);
  by("stenod_live_sessions_ended_total", "Live sessions ended", "reason", &Counters::ended);
  by("stenod_live_utterances_suppressed_total", "Utterances left without text", "reason",
     &Counters::suppressed_utterances);
  metrics.gauge_function("stenod_live_partial_stretch", "By how much load has stretched the interval of partials",
                         [&pacer] { return now_stretch(pacer); });
  metrics.gauge_function("stenod_live_busy_share",
                         "Share of the last second that the engine has worked for live sessions",
                         [&pacer] { return pacer.busy_share(std::chrono::steady_clock::now()); });

  metrics.gauge_function("stenod_files_active", "Files that are being transcribed",
                         [&files] { return files.load().num_active; });
  metrics.gauge_function("stenod_files_queued", "Files that wait", [&files] { return files.load().num_queued; });
}

}  // namespace stenod::app
