#include "app/common_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "app/console.h"
#include "app/decoding_options.h"
#include "app/option_checks.h"
#include "text/language.h"

namespace stenod::app {
namespace {

constexpr int kMaxThreads = 256;

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

void add_language_detection_options(CLI::App& app, transcribe::FileOptions& file) {
  app.add_flag("--multilingual", file.multilingual, "Detect the language of every window");
  app.add_option("--language-detection-segments", file.language_detection_segments,
                 "Windows of speech that vote on the language")
      ->check(whole_number(1, transcribe::kMaxDetectionSegments))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--language-detection-threshold", file.language_detection_threshold,
                 "A language detected with more than this needs no further votes")
      ->check(number(0, 1))
      ->type_name("P")
      ->capture_default_str();
}

void add_sequential_options(CLI::App& app, transcribe::FileOptions& file, RawOptions& raw) {
  constexpr const char* kGroup = "Sequential";
  app.add_flag("--sequential", file.sequential, "One window of 30 s after the other, as Whisper was published; slower")
      ->group(kGroup);
  app.add_option("--condition-on-previous-text", raw.condition_on_previous_text,
                 "Give each window the text before it; with --sequential true unless said otherwise")
      ->check(CLI::IsMember({"true", "false"}))
      ->type_name("BOOL")
      ->group(kGroup);
  app.add_option("--prompt-reset-on-temperature", file.prompt_reset_on_temperature,
                 "Forget the text before behind a window with a higher temperature")
      ->check(number(0, 10))
      ->type_name("T")
      ->default_str(fmt::format("{}", transcribe::kDefaultPromptResetTemperature))
      ->group(kGroup);
  app.add_option("--hallucination-silence-threshold", file.hallucination_silence_threshold_s,
                 "With --word-timestamps: skip longer silence where text seems to be made up about it")
      ->check(number(0, 3600))
      ->type_name("SECONDS")
      ->group(kGroup);
}

}  // namespace

void add_log_level(CLI::App& app, RawOptions& raw) {
  app.add_option("--log-level", raw.log_level, "Least important messages to show")
      ->envname("STENOD_LOG_LEVEL")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}))
      ->type_name("LEVEL")
      ->capture_default_str();
}

void add_engine_options(CLI::App& app, EngineSettings& settings, RawOptions& raw) {
  settings.model = environment("MODEL_SIZE").value_or(settings.model);
  raw.device = environment("DEVICE").value_or(raw.device);
  app.add_option("--model", settings.model, "Installed model, or the folder or file of one")
      ->envname("STENOD_MODEL")
      ->type_name("NAME|PATH")
      ->capture_default_str();
  app.add_option("--threads", settings.num_threads, "Cores to use; 0: all that the process may use")
      ->envname("STENOD_THREADS")
      ->check(whole_number(0, kMaxThreads))
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--compute-type", raw.compute_type, "How products are computed; auto is int8")
      ->envname("STENOD_COMPUTE_TYPE")
      ->check(CLI::IsMember({"auto", "int8", "bf16", "f32"}))
      ->type_name("TYPE")
      ->capture_default_str();
  app.add_option("--max-isa", raw.max_isa, "Widest instructions to use")
      ->envname("STENOD_MAX_ISA")
      ->check(CLI::IsMember({"auto", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx"}))
      ->type_name("ISA")
      ->capture_default_str();
  app.add_option("--device", raw.device, "Where to compute: auto or cpu")
      ->envname("STENOD_DEVICE")
      ->type_name("DEVICE")
      ->capture_default_str();
}

std::optional<UsageExit> finish_engine(const CLI::App& app, const RawOptions& raw, EngineSettings& settings) {
  settings.model_source = source_of(app, app.get_option("--model"), "MODEL_SIZE");
  const std::string device_source = source_of(app, app.get_option("--device"), "DEVICE");
  if (raw.device == "cuda") {
    return wrong(fmt::format("{}: this build computes on CPUs only, expected auto or cpu", device_source),
                 ErrorCode::kNotSupported);
  }
  if (raw.device != "auto" && raw.device != "cpu") {
    return wrong(fmt::format("{}: unknown device '{}', expected auto or cpu", device_source, raw.device));
  }
  static const std::map<std::string_view, compute::ComputeType> kTypes = {{"int8", compute::ComputeType::kInt8},
                                                                          {"bf16", compute::ComputeType::kBFloat16},
                                                                          {"f32", compute::ComputeType::kFloat32}};
  if (const auto type = kTypes.find(raw.compute_type); type != kTypes.end()) settings.compute_type = type->second;
  if (raw.max_isa != "auto") {
    const auto isa = compute::parse_isa(raw.max_isa);
    if (!isa) return wrong(isa.error().message);
    settings.max_isa = *isa;
  }
  return std::nullopt;
}

void add_file_options(CLI::App& app, transcribe::FileOptions& file, RawOptions& raw) {
  const auto is_language = [also = raw.language](const std::string& value) -> std::string {
    if (value == "auto" || value == also || text::find_language(value) != nullptr) return {};
    return fmt::format("unknown language '{}', expected auto or a code such as en, de, zh", value);
  };
  app.add_option("--language", raw.language, "What is spoken, for instance en; auto finds out")
      ->check(CLI::Validator(is_language, ""))
      ->type_name("CODE|auto")
      ->capture_default_str();
  app.add_option("--task", raw.task, "Write what is said, or its English translation")
      ->check(CLI::IsMember({"transcribe", "translate"}))
      ->type_name("TASK")
      ->capture_default_str();
  app.add_flag("--no-vad", raw.no_vad, "Take everything for speech");
  app.add_flag("--word-timestamps", file.word_timestamps, "Start, end and probability of each word");
  app.add_option("--channels", raw.channels, "All channels mixed, or the text of each apart")
      ->check(CLI::IsMember({"mix", "split"}))
      ->type_name("MODE")
      ->capture_default_str();
  app.add_flag("--full-window", file.full_window, "Encode 30 s for every window, as Whisper was trained; slower");
  app.add_option("--clip-timestamps", file.clip_timestamps,
                 "Parts to transcribe, in seconds; the last END may be missing")
      ->delimiter(',')
      ->type_name("START,END,...");
  add_language_detection_options(app, file);
  add_sequential_options(app, file, raw);
  add_decoding_options(app, file.decoding);
}

std::optional<UsageExit> finish_file(const RawOptions& raw, transcribe::FileOptions& file) {
  if (raw.language != "auto") file.language = std::string(text::find_language(raw.language)->code);
  if (raw.task == "translate") file.task = whisper::Task::kTranslate;
  file.vad = !raw.no_vad;
  file.split_channels = raw.channels == "split";
  if (!raw.condition_on_previous_text.empty()) {
    file.condition_on_previous_text = raw.condition_on_previous_text == "true";
  }
  if (const Status checked = transcribe::check_options(file); !checked) {
    // The option as it is typed: --clip-timestamps for clip_timestamps.
    std::string message = checked.error().message;
    const std::string& name = checked.error().param;
    if (!name.empty() && message.starts_with(name + ':')) {
      std::replace(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(name.size()), '_', '-');
      message.insert(0, "--");
    }
    return wrong(message, checked.error().code);
  }
  return std::nullopt;
}

std::string source_of(const CLI::App& app, const CLI::Option* option, const char* older_variable) {
  const auto& typed = app.parse_order();
  if (std::find(typed.begin(), typed.end(), option) == typed.end()) {
    if (environment(option->get_envname().c_str())) return option->get_envname();
    if (older_variable != nullptr && environment(older_variable)) return older_variable;
  }
  return option->get_name();
}

UsageExit wrong(std::string_view message, std::optional<ErrorCode> code) {
  const std::string code_text = code ? fmt::format(" ({})", error_name(*code)) : "";
  return {2, fmt::format("error: {}{}\n", printable(message), code_text)};
}

}  // namespace stenod::app
