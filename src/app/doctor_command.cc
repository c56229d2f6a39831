#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "app/commands.h"
#include "app/console.h"
#include "app/machine.h"
#include "app/product_speed.h"
#include "audio/version.h"
#include "base/json.h"
#include "base/paths.h"
#include "compute/versions.h"
#include "models/catalogue.h"
#include "models/store.h"
#include "transcribe/whisper_files.h"
#include "vad/silero_vad.h"

namespace stenod::app {
namespace {

struct ModelState {
  models::ModelSummary summary;
  std::string state;  ///< "installed", "not installed" or what is wrong
};

/// All that `stenod doctor` finds out.
struct Diagnosis {
  Machine machine;
  std::string machine_isa, used_isa;  ///< empty where the processor lacks what stenod needs
  int usable_cores = 0, threads = 0;
  std::vector<ModelState> models;
  std::string model, model_folder;  ///< what would be used; the folder is empty where there is none
  std::string compute_type, compute_type_reason;
  std::vector<ProductSpeed> speeds;
  std::vector<std::string> problems;  ///< each with what to do
};

/// Reads and checks a model without preparing it.
Status check_model(const std::filesystem::path& path) {
  STENOD_ASSIGN_OR_RETURN(const auto files, transcribe::read_whisper_files(path));
  return {};
}

Status check_vad(const std::filesystem::path& folder) {
  STENOD_ASSIGN_OR_RETURN(const auto vad, vad::SileroVad::load(folder / models::kVadModelFile));
  return {};
}

void diagnose_models(const EngineSettings& settings, Diagnosis& diagnosis) {
  const models::Store store;
  const auto found = store.list();
  if (!found) {
    diagnosis.problems.push_back(found.error().message);
  } else {
    for (const models::ModelSummary& summary : *found) {
      if (!summary.is_installed) continue;
      const auto folder = store.folder() / summary.name;
      const Status checked = summary.name == models::kVadModelName ? check_vad(folder) : check_model(folder);
      if (!checked) {
        diagnosis.problems.push_back(
            fmt::format("{}. To repair it: stenod model pull {}", checked.error().message, summary.name));
      }
      diagnosis.models.push_back({summary, checked ? "installed" : "damaged"});
    }
  }
  diagnosis.model = settings.model;
  const auto folder = find_speech_model(store, settings);
  if (folder) {
    diagnosis.model_folder = folder->string();
    // One that lies elsewhere was not looked at yet.
    if (folder->parent_path() != store.folder()) {
      if (const Status checked = check_model(*folder); !checked) diagnosis.problems.push_back(checked.error().message);
    }
  } else {
    diagnosis.problems.push_back(folder.error().message);
  }
  if (const auto vad = store.path(models::kVadModelName); !vad) diagnosis.problems.push_back(vad.error().message);
}

void diagnose_compute(const EngineSettings& settings, Diagnosis& diagnosis) {
  diagnosis.compute_type = compute::compute_type_name(settings.compute_type.value_or(compute::ComputeType::kInt8));
  diagnosis.compute_type_reason =
      settings.compute_type ? "as asked for" : "auto: the fastest on every processor, with exact sums";
  diagnosis.usable_cores = compute::cpu::default_num_threads();
  diagnosis.threads = settings.num_threads > 0 ? settings.num_threads : diagnosis.usable_cores;
  const auto isa = compute::detect_isa();
  if (!isa) {
    diagnosis.problems.push_back(isa.error().message);
    return;
  }
  diagnosis.machine_isa = compute::isa_name(*isa);
  auto backend = compute::cpu::CpuBackend::create(diagnosis.threads, settings.max_isa.value_or(*isa));
  if (!backend) {
    diagnosis.problems.push_back(backend.error().message);
    return;
  }
  diagnosis.used_isa = compute::isa_name((*backend)->isa());
  for (const auto type :
       {compute::ComputeType::kInt8, compute::ComputeType::kBFloat16, compute::ComputeType::kFloat32}) {
    const auto speed = measure_product_speed(**backend, type);
    if (speed) {
      diagnosis.speeds.push_back(*speed);
    } else if (speed.error().code != ErrorCode::kNotSupported || settings.compute_type == type) {
      diagnosis.problems.push_back(speed.error().message);
    }
  }
}

std::string text_of(const Diagnosis& diagnosis) {
  constexpr double kGiB = 1024.0 * 1024 * 1024;
  const auto gib = [](std::uint64_t bytes) { return static_cast<double>(bytes) / kGiB; };
  const auto or_none = [](const std::string& text) { return text.empty() ? std::string("none") : text; };
  const Machine& machine = diagnosis.machine;
  std::string out = fmt::format(
      "{} (oneDNN {}, Highway {}, FFmpeg {}, compiler {})\n\n"
      "Machine\n"
      "  processor     {}\n"
      "  instructions  {} ({} used)\n"
      "  threads       {} used of {} cores that this process may use, {} in all\n"
      "  memory        {:.1f} GiB, {:.1f} GiB free\n\n",
      version_text(), compute::onednn_version(), compute::highway_version(), audio::ffmpeg_version(), __VERSION__,
      or_none(machine.cpu_model), or_none(diagnosis.machine_isa), or_none(diagnosis.used_isa), diagnosis.threads,
      diagnosis.usable_cores, std::thread::hardware_concurrency(), gib(machine.memory_bytes),
      gib(machine.available_memory_bytes));
  out += fmt::format("Folders\n  models        {}\n  cache         {}\n  data          {}\n\n", model_dir().string(),
                     cache_dir().string(), data_dir().string());
  out += "Models\n";
  if (diagnosis.models.empty()) out += "  none installed\n";
  for (const ModelState& model : diagnosis.models) {
    out += fmt::format("  {:<17}  {:<9}  {:>6.1f} MB  {}\n", model.summary.name, model.state,
                       static_cast<double>(model.summary.size) / 1e6, model.summary.description);
  }
  out += fmt::format(
      "\nIn use\n"
      "  device        cpu (the only one of this build)\n"
      "  model         {}{}\n"
      "  compute type  {} ({})\n\n",
      diagnosis.model, diagnosis.model_folder.empty() ? " (missing)" : fmt::format(" ({})", diagnosis.model_folder),
      diagnosis.compute_type, diagnosis.compute_type_reason);
  if (!diagnosis.speeds.empty()) {
    out += "Products, GFLOP/s    64 rows    of peak      1 row       peak\n";
    for (const ProductSpeed& speed : diagnosis.speeds) {
      out +=
          fmt::format("  {:<15} {:>10.0f} {:>9.0f}% {:>10.0f} {:>10.0f}\n", compute::compute_type_name(speed.type),
                      speed.many_rows / 1e9, 100 * speed.many_rows / speed.peak, speed.one_row / 1e9, speed.peak / 1e9);
    }
    out +=
        "  The peak is measured: the same instructions on registers alone, on all threads. One row is bounded by "
        "memory.\n\n";
  }
  if (diagnosis.problems.empty()) return out + "Everything that is needed is there.\n";
  out += "Problems\n";
  for (const std::string& problem : diagnosis.problems) out += fmt::format("  - {}\n", problem);
  return out;
}

std::string json_of(const Diagnosis& diagnosis) {
  json::array models, speeds, problems;
  for (const ModelState& model : diagnosis.models) {
    models.push_back(
        json::object{{"name", model.summary.name}, {"state", model.state}, {"size_bytes", model.summary.size}});
  }
  for (const ProductSpeed& speed : diagnosis.speeds) {
    speeds.push_back(json::object{{"compute_type", compute::compute_type_name(speed.type)},
                                  {"rows_64_gflops", speed.many_rows / 1e9},
                                  {"rows_1_gflops", speed.one_row / 1e9},
                                  {"measured_peak_gflops", speed.peak / 1e9}});
  }
  for (const std::string& problem : diagnosis.problems) problems.emplace_back(problem);
  const json::object object{
      {"version", STENOD_VERSION},
      {"libraries", json::object{{"onednn", compute::onednn_version()},
                                 {"highway", compute::highway_version()},
                                 {"ffmpeg", audio::ffmpeg_version()},
                                 {"compiler", __VERSION__}}},
      {"machine", json::object{{"processor", diagnosis.machine.cpu_model},
                               {"isa", diagnosis.machine_isa},
                               {"usable_cores", diagnosis.usable_cores},
                               {"cores", std::thread::hardware_concurrency()},
                               {"memory_bytes", diagnosis.machine.memory_bytes},
                               {"available_memory_bytes", diagnosis.machine.available_memory_bytes}}},
      {"folders",
       json::object{{"models", model_dir().string()}, {"cache", cache_dir().string()}, {"data", data_dir().string()}}},
      {"models", std::move(models)},
      {"use", json::object{{"device", "cpu"},
                           {"isa", diagnosis.used_isa},
                           {"threads", diagnosis.threads},
                           {"model", diagnosis.model},
                           {"model_folder", diagnosis.model_folder},
                           {"compute_type", diagnosis.compute_type},
                           {"compute_type_reason", diagnosis.compute_type_reason}}},
      {"products", std::move(speeds)},
      {"problems", std::move(problems)}};
  return json::serialize(object) + '\n';
}

}  // namespace

int run(const DoctorCommand& command, Interrupt& interrupt) {
  Diagnosis diagnosis;
  diagnosis.machine = describe_machine();
  diagnose_models(command.engine, diagnosis);
  diagnose_compute(command.engine, diagnosis);
  if (interrupt.signal() != 0) return signal_status(interrupt.signal());
  Console console(true);
  if (const Status written = console.write_result(command.json ? json_of(diagnosis) : text_of(diagnosis)); !written) {
    console.error(written.error());
    return kFailure;
  }
  return diagnosis.problems.empty() ? kSuccess : kFailure;
}

}  // namespace stenod::app
