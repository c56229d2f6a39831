#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "access/access.h"
#include "api/authorise.h"
#include "api/file_service.h"
#include "api/live_routes.h"
#include "api/live_service.h"
#include "api/openai_routes.h"
#include "api/spool.h"
#include "api/token_route.h"
#include "api/transcribe_route.h"
#include "app/commands.h"
#include "app/console.h"
#include "app/open_access.h"
#include "app/serve_metrics.h"
#include "app/settings/load_settings.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/paths.h"
#include "compute/cpu/cpu_backend.h"
#include "live/warm_up.h"
#include "server/health_routes.h"
#include "server/server.h"
#include "server/static_routes.h"

namespace stenod::app {
namespace {

// Windows that wait for a slot: each live session has two at most, and files wait in their own queue.
constexpr int kQueuedPerSession = 2;
constexpr int kMinQueued = 8;  // for the warm-up

// Uploads wait for the disk, not for each other: more threads would not make it faster.
constexpr std::size_t kUploadThreads = 2;

EngineSettings engine_settings(const ServeSettings& settings) {
  EngineSettings engine;
  engine.model = settings.engine.model;
  engine.num_threads = static_cast<int>(settings.engine.threads);
  for (const auto type :
       {compute::ComputeType::kInt8, compute::ComputeType::kBFloat16, compute::ComputeType::kFloat32}) {
    if (compute::compute_type_name(type) == settings.engine.compute_type) engine.compute_type = type;
  }
  if (settings.engine.max_isa != "auto") engine.max_isa = *compute::parse_isa(settings.engine.max_isa);
  return engine;
}

std::size_t num_threads(std::int64_t wanted) {
  if (wanted > 0) return static_cast<std::size_t>(wanted);
  return static_cast<std::size_t>(std::max(2, compute::cpu::default_num_threads() / 4));
}

api::LiveServiceOptions live_options(const ServeSettings& settings) {
  const ServeSettings::Live& live = settings.live;
  api::LiveServiceOptions options;
  options.offer.model = offered_name(settings.engine.model);
  live::SessionSettings& defaults = options.offer.defaults;
  defaults.silence_ms = static_cast<int>(live.silence_ms);
  defaults.vad_threshold = live.vad_threshold;
  defaults.min_speech_ms = static_cast<int>(live.min_speech_ms);
  defaults.partial_interval_ms = static_cast<int>(live.partial_interval_ms);
  defaults.beam_size = static_cast<int>(live.beam_size);
  live::SessionLimits& limits = options.offer.limits;
  limits.max_beam_size = static_cast<int>(live.beam_size_max);
  limits.min_silence_ms = static_cast<int>(live.silence_ms_min);
  limits.max_silence_ms = static_cast<int>(live.silence_ms_max);
  limits.min_vad_threshold = live.vad_threshold_min;
  limits.max_vad_threshold = live.vad_threshold_max;
  limits.min_min_speech_ms = static_cast<int>(live.min_speech_ms_min);
  limits.max_min_speech_ms = static_cast<int>(live.min_speech_ms_max);
  limits.min_partial_interval_ms = static_cast<int>(live.partial_interval_ms_min);
  limits.max_partial_interval_ms = static_cast<int>(live.partial_interval_ms_max);
  options.max_sessions = static_cast<int>(live.max_sessions);
  options.max_session = std::chrono::seconds(live.max_session_s);
  options.idle_timeout = std::chrono::seconds(live.idle_timeout_s);
  options.log_text = live.log_text;
  return options;
}

server::ServerOptions server_options(const ServeSettings& settings, access::Access& access, MetricRegistry& metrics) {
  server::ServerOptions options;
  options.listen = settings.server.listen;
  options.num_io_threads = num_threads(settings.server.io_threads);
  options.tls_certificate = settings.server.tls_certificate;
  options.tls_key = settings.server.tls_key;
  options.allowed_origins = settings.server.allowed_origins;
  options.allowed_hosts = settings.server.allowed_hosts;
  options.trusted_proxies = settings.server.trusted_proxies;
  options.more_routes_come = true;
  options.permessage_deflate = settings.server.permessage_deflate;
  options.limits.max_connections = static_cast<std::size_t>(settings.server.max_connections);
  options.limits.max_connections_per_client = static_cast<std::size_t>(settings.server.max_connections_per_ip);
  options.limits.max_message_bytes = static_cast<std::size_t>(settings.server.max_message_bytes);
  options.authorise = [&access](api::HttpRequest& request, api::Route::Access needed, std::string_view credential) {
    return api::authorise(access, request, needed, credential);
  };
  options.metrics = &metrics;
  return options;
}

/// Everything that serves, in the order in which it depends on what stands before it.
class ServeRun {
 public:
  ServeRun(const ServeSettings& settings, Interrupt& interrupt) : settings_(settings), interrupt_(interrupt) {}

  /// Returns when the server takes work, or is to stop.
  Status start();
  void wait();
  void stop();

 private:
  std::vector<api::Route> first_routes();
  Status load_model(const transcribe::RecogniserOptions& options);
  Status add_routes_of_model();
  Status check_ready() const;

  const ServeSettings& settings_;
  Interrupt& interrupt_;
  MetricRegistry metrics_;
  std::unique_ptr<access::Access> access_;
  std::unique_ptr<transcribe::Recogniser> recogniser_;  ///< null until it is loaded
  std::shared_ptr<live::Pacer> pacer_;
  std::unique_ptr<api::SpoolFolder> spool_;
  std::optional<api::FileService> files_;
  std::optional<api::FileRoutes> file_routes_;
  std::optional<ThreadPool> audio_pool_, upload_pool_;
  std::unique_ptr<api::LiveService> live_;
  std::atomic<bool> is_ready_ = false;
  std::unique_ptr<server::Server> server_;
};

// The server listens first, so that whoever watches it sees that it is there and not ready yet.
Status ServeRun::start() {
  // Without TLS there is nothing to reload, and SIGHUP means that the terminal is gone.
  if (!settings_.server.tls_certificate.empty()) interrupt_.keep_hangups();
  STENOD_ASSIGN_OR_RETURN(access_, open_access(settings_));
  STENOD_ASSIGN_OR_RETURN(transcribe::RecogniserOptions model, recogniser_options(engine_settings(settings_)));
  model.num_slots = static_cast<int>(settings_.engine.slots);
  model.max_queued =
      std::max(kMinQueued, kQueuedPerSession * static_cast<int>(settings_.live.max_sessions) + model.num_slots);
  STENOD_ASSIGN_OR_RETURN(
      spool_, api::SpoolFolder::open(data_dir() / "spool",
                                     {.max_file_bytes = static_cast<std::uint64_t>(settings_.files.max_upload_bytes)}));
  files_.emplace(api::FileServiceOptions{.max_concurrent = static_cast<int>(settings_.files.max_concurrent),
                                         .max_queued = static_cast<int>(settings_.files.max_queued),
                                         .timeout = std::chrono::seconds(settings_.files.timeout_s)});
  audio_pool_.emplace(num_threads(settings_.server.audio_threads));
  upload_pool_.emplace(kUploadThreads);
  STENOD_ASSIGN_OR_RETURN(server_, server::Server::create(server_options(settings_, *access_, metrics_), first_routes(),
                                                          {}, *audio_pool_, *upload_pool_));
  server_->start();
  log_event(log::level::info, "loading_model",
            {{"address", settings_.server.listen}, {"port", server_->port()}, {"model", model.model_path.string()}});
  STENOD_RETURN_IF_ERROR(load_model(model));
  if (interrupt_.token().stop_requested()) return {};
  STENOD_RETURN_IF_ERROR(add_routes_of_model());
  is_ready_ = true;
  log_event(log::level::info, "listening",
            {{"address", settings_.server.listen},
             {"port", server_->port()},
             {"tls", !settings_.server.tls_certificate.empty()},
             {"model", settings_.engine.model},
             {"device", recogniser_->device_name()},
             {"keys", access_->keys_in_use()}});
  return {};
}

Status ServeRun::check_ready() const {
  if (interrupt_.token().stop_requested()) return Error{ErrorCode::kShuttingDown, "the server is shutting down"};
  if (!is_ready_) return Error{ErrorCode::kNotReady, "the model is being loaded"};
  return {};
}

/// Those that need no model.
std::vector<api::Route> ServeRun::first_routes() {
  server::HealthOptions health;
  health.version = {{"name", "stenod"}, {"version", STENOD_VERSION}};
  health.ready = [this] { return check_ready(); };
  health.metrics = &metrics_;
  std::vector<api::Route> routes = server::health_routes(std::move(health));
  auto page = server::static_routes(server::web_files());
  std::move(page.begin(), page.end(), std::back_inserter(routes));
  routes.push_back(api::token_route(*access_));
  return routes;
}

Status ServeRun::load_model(const transcribe::RecogniserOptions& options) {
  STENOD_ASSIGN_OR_RETURN(recogniser_, transcribe::Recogniser::load(options));
  if (interrupt_.token().stop_requested()) return {};
  STENOD_ASSIGN_OR_RETURN(const double expected_share, live::warm_up(live::speech_model_of(*recogniser_)));
  pacer_ = std::make_shared<live::Pacer>(
      [this] {
        const engine::Statistics statistics = recogniser_->engine().statistics();
        return live::LiveWork{statistics.live_final_s, statistics.live_partial_s};
      },
      expected_share);
  return {};
}

/// Here, and nowhere else, what serves gets the model.
Status ServeRun::add_routes_of_model() {
  live_ = std::make_unique<api::LiveService>(live::speech_model_of(*recogniser_), pacer_, access_.get(),
                                             live_options(settings_));
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  file_routes_.emplace(api::FileRoutes{.service = *files_,
                                       .spool = *spool_,
                                       .models = {{offered_name(settings_.engine.model), recogniser_.get(),
                                                   std::chrono::duration_cast<std::chrono::seconds>(now).count()}},
                                       .access = access_.get()});
  export_metrics(metrics_, *recogniser_, *live_, *files_, *pacer_);
  std::vector<api::Route> routes = api::openai_routes(*file_routes_);
  routes.push_back(api::transcribe_route(*file_routes_));
  routes.push_back(api::sessions_route(*live_));
  return server_->add_routes(std::move(routes), api::live_websocket_routes(*live_));
}

void ServeRun::wait() {
  while (interrupt_.wait_for_hangup()) {
    if (const Status reloaded = server_->reload_certificate(); reloaded) {
      log_event(log::level::info, "certificate_reloaded", {{"file", settings_.server.tls_certificate}});
    } else {
      const Error& error = reloaded.error();
      log_event(log::level::err, "certificate_not_reloaded",
                {{"file", error.param},
                 {"code", error_name(error.code)},
                 {"message", error.message},
                 {"in_use", "the certificate from before"}});
    }
  }
}

// Nobody new, notice to who is there, their finals, and then the end, in the time that is set.
void ServeRun::stop() {
  if (!server_) return;
  log_event(log::level::info, "shutting_down", {{"within_s", settings_.server.shutdown_s}});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(settings_.server.shutdown_s);
  const auto files_stop = std::async(std::launch::async, [&] { files_->stop(deadline); });
  server_->stop(deadline);
  files_stop.wait();
  server_.reset();
  if (recogniser_) recogniser_->engine().stop(engine::StopMode::kCancel);
  audio_pool_.reset();  // the last answers of the engine find nobody
  log_event(log::level::info, "stopped");
}

}  // namespace

int run(const ServeCommand& command, Interrupt& interrupt) {
  Console console(true);
  const auto fail = [&](const Error& error) {
    console.error(error);
    return kFailure;
  };
  if (command.print_config) {
    const Status written = console.write_result(print_settings(command.settings));
    return written ? kSuccess : fail(written.error());
  }
  ServeRun serve(command.settings.values, interrupt);
  if (const Status started = serve.start(); !started) return fail(started.error());
  serve.wait();
  serve.stop();
  return kSuccess;
}

}  // namespace stenod::app
