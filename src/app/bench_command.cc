#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "app/commands.h"
#include "app/console.h"
#include "app/input_files.h"
#include "base/json.h"

namespace stenod::app {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct FileTimes {
  std::string file;
  double duration_s = 0;
  std::vector<double> wall_s;  ///< in the order of the repeats
};

struct Spread {
  double min = 0, median = 0, max = 0;
};

Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {values.front(), median, values.back()};
}

/// Of the process so far, in bytes.
double peak_memory() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024;
}

struct EngineTimes {
  double encode_s = 0, step_s = 0, sampling_s = 0, rows_per_step = 0;
  std::uint64_t windows = 0, repeats = 0, steps = 0;
};

/// What the engine did between two moments.
EngineTimes difference(const engine::Statistics& before, const engine::Statistics& after) {
  EngineTimes times{after.encode_s - before.encode_s,
                    after.step_s - before.step_s,
                    after.sampling_s - before.sampling_s,
                    0,
                    after.windows_encoded - before.windows_encoded,
                    after.repeats - before.repeats,
                    after.steps - before.steps};
  double rows = 0;
  for (std::size_t i = 0; i < after.steps_by_rows.size(); ++i) {
    const std::uint64_t earlier = i < before.steps_by_rows.size() ? before.steps_by_rows[i] : 0;
    rows += static_cast<double>(i) * static_cast<double>(after.steps_by_rows[i] - earlier);
  }
  if (times.steps > 0) times.rows_per_step = rows / static_cast<double>(times.steps);
  return times;
}

struct Report {
  std::string device;
  std::string compute_type;
  double load_s = 0;
  double peak_memory_bytes = 0;
  std::vector<FileTimes> files;
  EngineTimes engine;
};

std::string as_json(const Report& report) {
  json::array files;
  for (const FileTimes& file : report.files) {
    files.push_back(json::object{{"file", file.file},
                                 {"duration", file.duration_s},
                                 {"wall_s", json::value_from(file.wall_s)},
                                 {"speed", file.duration_s / spread_of(file.wall_s).median}});
  }
  const EngineTimes& engine = report.engine;
  const json::object object{{"device", report.device},
                            {"compute_type", report.compute_type},
                            {"load_s", report.load_s},
                            {"peak_memory_bytes", report.peak_memory_bytes},
                            {"files", std::move(files)},
                            {"engine", json::object{{"encode_s", engine.encode_s},
                                                    {"step_s", engine.step_s},
                                                    {"sampling_s", engine.sampling_s},
                                                    {"steps", engine.steps},
                                                    {"rows_per_step", engine.rows_per_step},
                                                    {"windows_encoded", engine.windows},
                                                    {"repeats", engine.repeats}}}};
  return json::serialize(object) + '\n';
}

std::string as_text(const Report& report) {
  std::string out = fmt::format("{}, {}; loaded in {:.3f} s; peak memory {:.0f} MB\n", report.device,
                                report.compute_type, report.load_s, report.peak_memory_bytes / 1e6);
  for (const FileTimes& file : report.files) {
    const Spread wall = spread_of(file.wall_s);
    out += fmt::format("{}: {:.2f} s of audio in {:.3f} s [{:.3f}, {:.3f}], {:.1f}x real time\n", file.file,
                       file.duration_s, wall.median, wall.min, wall.max, file.duration_s / wall.median);
  }
  const EngineTimes& engine = report.engine;
  out += fmt::format(
      "engine, all repeats: encoding {:.3f} s ({} windows, {} of them again), {} steps in {:.3f} s "
      "({:.1f} rows each), choosing tokens {:.3f} s\n",
      engine.encode_s, engine.windows, engine.repeats, engine.steps, engine.step_s, engine.rows_per_step,
      engine.sampling_s);
  return out;
}

}  // namespace

int run(const BenchFileCommand& command, Interrupt& interrupt) {
  Console console(true);
  for (const std::string& file : command.files) {
    if (const Status usable = check_input(file); !usable) {
      console.error(usable.error());
      return kFailure;
    }
  }
  const auto load_start = Clock::now();
  const auto recogniser = load_recogniser(command.engine);
  if (!recogniser) {
    console.error(recogniser.error());
    return kFailure;
  }
  Report report;
  report.load_s = seconds_since(load_start);
  report.device = (*recogniser)->device_name();
  report.compute_type = compute::compute_type_name((*recogniser)->compute_type());
  for (const std::string& file : command.files) report.files.push_back({file, 0, {}});

  transcribe::FileTranscriber transcriber(**recogniser);
  engine::Statistics before;
  // Round 0 warms up: caches, the processor's clock, and what is allocated at first use.
  for (int round = 0; round <= command.num_repeats; ++round) {
    if (round == 1) before = (*recogniser)->engine().statistics();
    for (FileTimes& file : report.files) {
      const auto start = Clock::now();
      const auto result = transcriber.transcribe(file.file, command.file, {}, interrupt.token());
      const double wall_s = seconds_since(start);
      if (interrupt.signal() != 0) return signal_status(interrupt.signal());
      if (!result) {
        console.error(result.error());
        return kFailure;
      }
      file.duration_s = result->transcript.duration;
      if (round > 0) file.wall_s.push_back(wall_s);
    }
  }
  report.engine = difference(before, (*recogniser)->engine().statistics());
  report.peak_memory_bytes = peak_memory();
  if (const Status written = console.write_result(command.json ? as_json(report) : as_text(report)); !written) {
    console.error(written.error());
    return kFailure;
  }
  return kSuccess;
}

}  // namespace stenod::app
