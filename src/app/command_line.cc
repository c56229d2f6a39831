#include "app/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <map>
#include <sstream>
#include <utility>

#include "text/language.h"

namespace stenod::app {
namespace {

constexpr int kMaxThreads = 256;

constexpr const char* kExamples = R"(Examples:
  stenod transcribe talk.mp3
  stenod transcribe --format srt --output-dir subtitles/ *.mp4
  stenod model pull base
  stenod doctor

'stenod COMMAND --help' says more about each.)";

constexpr const char* kTranscribeExamples = R"(Examples:
  stenod transcribe talk.mp3
  stenod transcribe --language de --format vtt vortrag.webm > vortrag.vtt
  stenod transcribe --word-timestamps --format jsonl interview.m4a
  stenod transcribe --channels split --format json call.wav
  stenod transcribe --format srt --output-dir subtitles/ *.mp4

The text goes to standard output, in the order of the files; messages go to
standard error. The exit status is 0 when every file was transcribed, 1 when any
failed, 2 for wrong usage, 130 or 143 after an interruption.)";

constexpr const char* kModelExamples = R"(Examples:
  stenod model list
  stenod model pull base
  stenod model info base)";

constexpr const char* kBenchExamples = R"(Example:
  stenod bench file --repeat 11 clip.wav)";

/// Values as they were typed, until all is known to be right. One for each command: CLI11 also sets the variables of the
/// environment on options of commands that were not called.
struct RawOptions {
  std::string log_level = "info";
  std::string device = "auto";
  std::string compute_type = "auto";
  std::string max_isa = "auto";
  std::string language = "auto";
  std::string task = "transcribe";
  std::string channels = "mix";
  std::string format = "text";
  int beam_size = 1;
  bool no_vad = false;
};

void add_log_level(CLI::App& app, RawOptions& raw) {
  app.add_option("--log-level", raw.log_level, "Least important messages to show")
      ->envname("STENOD_LOG_LEVEL")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}))
      ->type_name("LEVEL")
      ->capture_default_str();
}

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

void add_engine_options(CLI::App& app, EngineSettings& settings, RawOptions& raw) {
  settings.model = environment("MODEL_SIZE").value_or(settings.model);
  raw.device = environment("DEVICE").value_or(raw.device);
  app.add_option("--model", settings.model, "Installed model, or a folder in faster-whisper's format")
      ->envname("STENOD_MODEL")
      ->type_name("NAME|FOLDER")
      ->capture_default_str();
  app.add_option("--threads", settings.num_threads, "Cores to use; 0: all that the process may use")
      ->envname("STENOD_THREADS")
      ->check(CLI::Range(0, kMaxThreads))
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

void add_file_options(CLI::App& app, transcribe::FileOptions& file, RawOptions& raw) {
  const auto is_language = [](const std::string& value) -> std::string {
    if (value == "auto" || text::find_language(value) != nullptr) return {};
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
  app.add_option("--beam-size", raw.beam_size, "Hypotheses that are followed at once; only 1 is offered yet")
      ->check(CLI::Range(1, 100))
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--no-vad", raw.no_vad, "Take everything for speech");
  app.add_flag("--word-timestamps", file.word_timestamps, "Start, end and probability of each word");
  app.add_option("--channels", raw.channels, "All channels mixed, or the text of each apart")
      ->check(CLI::IsMember({"mix", "split"}))
      ->type_name("MODE")
      ->capture_default_str();
  app.add_flag("--full-window", file.full_window, "Encode 30 s for every window, as Whisper was trained; slower");
}

/// What is wrong, or nothing. `code` for programs, where there is one.
std::optional<UsageExit> wrong(std::string_view message, std::optional<ErrorCode> code = std::nullopt) {
  return UsageExit{2, code ? fmt::format("error: {} ({})\n", message, error_name(*code))
                           : fmt::format("error: {}\n", message)};
}

std::optional<UsageExit> finish_engine(const RawOptions& raw, EngineSettings& settings) {
  if (raw.device == "cuda") {
    return wrong("this build computes on CPUs only; set --device (or STENOD_DEVICE, DEVICE) to cpu or auto",
                 ErrorCode::kNotSupported);
  }
  if (raw.device != "auto" && raw.device != "cpu") {
    return wrong(fmt::format("--device: unknown device '{}', expected auto or cpu", raw.device));
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

std::optional<UsageExit> finish_file(const RawOptions& raw, transcribe::FileOptions& file) {
  if (raw.beam_size != 1) {
    return wrong("--beam-size: only 1 (greedy decoding) is offered yet", ErrorCode::kNotSupported);
  }
  if (raw.language != "auto") file.language = std::string(text::find_language(raw.language)->code);
  if (raw.task == "translate") file.task = whisper::Task::kTranslate;
  file.vad = !raw.no_vad;
  file.split_channels = raw.channels == "split";
  return std::nullopt;
}

UsageExit usage_exit(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) {
    std::ostringstream out;
    app.exit(error, out, out);
    return {0, out.str()};
  }
  std::string command = app.get_name();
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    command += ' ' + at->get_name();
  }
  return {2, fmt::format("error: {}\nSee: {} --help\n", error.what(), command)};
}

}  // namespace

std::string version_text() { return "stenod " STENOD_VERSION; }

std::variant<CommandLine, UsageExit> parse_command_line(int argc, const char* const* argv) {
  CLI::App app("Speech to text on your own machine.", "stenod");
  app.footer(kExamples);
  app.set_version_flag("--version", version_text(), "Print the version and exit");
  app.require_subcommand(1);
  app.fallthrough(false);

  RawOptions transcribe_raw, model_raw, doctor_raw, bench_raw;

  TranscribeCommand transcribe;
  CLI::App* const transcribe_app = app.add_subcommand("transcribe", "Transcribe recordings: anything that FFmpeg reads, of any length");
  transcribe_app->footer(kTranscribeExamples);
  transcribe_app->add_option("FILE", transcribe.files, "Audio or video files")->required();
  add_engine_options(*transcribe_app, transcribe.engine, transcribe_raw);
  add_file_options(*transcribe_app, transcribe.file, transcribe_raw);
  transcribe_app->add_option("--format", transcribe_raw.format, "What is written")
      ->check(CLI::IsMember({"text", "json", "jsonl", "srt", "vtt", "tsv"}))
      ->type_name("FORMAT")
      ->capture_default_str();
  transcribe_app->add_option("--output-dir", transcribe.output_dir, "Write one file for each recording there")
      ->type_name("DIR");
  transcribe_app->add_option("--jobs", transcribe.num_jobs, "Files that are transcribed at once")
      ->check(CLI::Range(1, 256))
      ->type_name("N")
      ->capture_default_str();
  transcribe_app->add_flag("--quiet", transcribe.quiet, "No progress bar");
  add_log_level(*transcribe_app, transcribe_raw);

  ModelCommand model;
  CLI::App* const model_app = app.add_subcommand("model", "Download, list, describe and remove models");
  model_app->footer(kModelExamples);
  model_app->require_subcommand(1);
  const std::vector<std::pair<CLI::App*, ModelAction>> model_apps = {
      {model_app->add_subcommand("pull", "Download models, for instance: stenod model pull base"), ModelAction::kPull},
      {model_app->add_subcommand("list", "What is installed, and what can be pulled"), ModelAction::kList},
      {model_app->add_subcommand("info", "Sizes, types, licence and checksums of a model"), ModelAction::kInfo},
      {model_app->add_subcommand("path", "The folder of an installed model"), ModelAction::kPath},
      {model_app->add_subcommand("rm", "Remove installed models"), ModelAction::kRemove}};
  for (const auto& [action_app, action] : model_apps) {
    if (action != ModelAction::kList) action_app->add_option("NAME", model.names, "Models")->required();
    if (action == ModelAction::kPull) action_app->add_flag("--quiet", model.quiet, "No progress bar");
    add_log_level(*action_app, model_raw);
  }

  DoctorCommand doctor;
  CLI::App* const doctor_app =
      app.add_subcommand("doctor", "What this machine can do, what will be used and why, and what is missing");
  add_engine_options(*doctor_app, doctor.engine, doctor_raw);
  doctor_app->add_flag("--json", doctor.json, "For programs");
  add_log_level(*doctor_app, doctor_raw);

  BenchFileCommand bench;
  CLI::App* const bench_app = app.add_subcommand("bench", "Measure the speed of this machine");
  bench_app->footer(kBenchExamples);
  bench_app->require_subcommand(1);
  CLI::App* const bench_file_app =
      bench_app->add_subcommand("file", "Transcribe files again and again, one after the other, and say how long it took");
  bench_file_app->add_option("FILE", bench.files, "Audio or video files")->required();
  bench_file_app->add_option("--repeat", bench.num_repeats, "How often, after once to warm up")
      ->check(CLI::Range(1, 1000000))
      ->type_name("N")
      ->capture_default_str();
  add_engine_options(*bench_file_app, bench.engine, bench_raw);
  add_file_options(*bench_file_app, bench.file, bench_raw);
  bench_file_app->add_flag("--json", bench.json, "For programs");
  add_log_level(*bench_file_app, bench_raw);

  // Known, but not built yet: not shown, and every use says so.
  for (const char* name : {"serve", "worker", "eval", "plan", "key"}) {
    app.add_subcommand(name)->group("")->allow_extras()->prefix_command();
  }

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage_exit(app, error);
  }

  CommandLine line;
  std::optional<UsageExit> problem;
  if (*transcribe_app) {
    problem = finish_engine(transcribe_raw, transcribe.engine);
    if (!problem) problem = finish_file(transcribe_raw, transcribe.file);
    transcribe.format = *text::parse_format(transcribe_raw.format);
    line = {std::move(transcribe), transcribe_raw.log_level};
  } else if (*bench_file_app) {
    problem = finish_engine(bench_raw, bench.engine);
    if (!problem) problem = finish_file(bench_raw, bench.file);
    line = {std::move(bench), bench_raw.log_level};
  } else if (*doctor_app) {
    problem = finish_engine(doctor_raw, doctor.engine);
    line = {std::move(doctor), doctor_raw.log_level};
  } else if (*model_app) {
    for (const auto& [action_app, action] : model_apps) {
      if (*action_app) model.action = action;
    }
    line = {std::move(model), model_raw.log_level};
  } else {
    problem = wrong(fmt::format("'stenod {}' is not built yet", app.get_subcommands().front()->get_name()),
                    ErrorCode::kNotSupported);
  }
  if (problem) return *std::move(problem);
  return line;
}

}  // namespace stenod::app
