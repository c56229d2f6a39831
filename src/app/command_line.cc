#include "app/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <filesystem>
#include <memory>
#include <sstream>
#include <utility>

#include "app/common_options.h"
#include "app/console.h"
#include "app/option_checks.h"
#include "app/serve_options.h"
#include "app/transcribe_options.h"

namespace stenod::app {
namespace {

constexpr const char* kExamples = R"(Examples:
  stenod transcribe talk.mp3
  stenod transcribe --format srt --output-dir subtitles/ *.mp4
  stenod model pull base
  stenod serve
  stenod doctor

'stenod COMMAND --help' says more about each.)";

constexpr const char* kModelExamples = R"(Examples:
  stenod model list
  stenod model pull base
  stenod model pull Systran/faster-whisper-small@main
  stenod model info base)";

constexpr const char* kKeyExamples = R"(Examples:
  stenod key create "Call centre" --streams 20 --minutes-per-day 6000
  stenod key create operations --admin
  stenod key create trial --expires 30d
  stenod key list
  stenod key revoke k7w2mq5d

Run it as the user that the server runs as: both use the same folder
(STENOD_DATA_DIR). A running server sees changes within seconds.)";

constexpr const char* kBenchExamples = R"(Example:
  stenod bench file --repeat 11 clip.wav)";

constexpr const char* kEvalExamples = R"(Examples:
  stenod eval set/manifest.jsonl
  stenod eval set/manifest.jsonl --only telephone/en --only long --json now.json
  stenod eval set/manifest.jsonl --json new.json --against now.json --beam-size 1
  stenod eval set/manifest.jsonl --hypotheses other.jsonl

docs/eval.md describes the manifest and says how to read the figures. The exit
status is 0 when every recording was transcribed, 1 when any failed, 2 for wrong
usage, 130 or 143 after an interruption.)";

/// A language of `stenod eval`: what the manifest says.
constexpr const char* kGivenLanguage = "given";

/// What CLI11 says, in better words where it has none.
std::string usage_problem(const CLI::App& app, const CLI::ParseError& error) {
  const std::string what = error.what();
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    if (what.starts_with(name + ':')) return source_of(app, option) + what.substr(name.size());
  }
  // Anything unknown may also be why something else is missing.
  for (const std::string& word : app.remaining()) {
    std::error_code ignored;
    const bool is_file = std::filesystem::exists(word, ignored);
    if (word.starts_with('-')) {
      return fmt::format("unknown option '{}'{}", word, is_file ? "; the file is given as ./" + word : "");
    }
    if (app.get_require_subcommand_min() > 0) {
      return fmt::format("unknown command '{}'{}", word,
                         is_file ? "; to transcribe the file: stenod transcribe " + word : "");
    }
  }
  return what;
}

UsageExit usage_exit(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) {
    std::ostringstream out;
    app.exit(error, out, out);
    return {0, out.str()};
  }
  std::string command = app.get_name();
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    command += ' ' + at->get_name();
  }
  return {2, fmt::format("error: {}\nSee: {} --help\n", printable(usage_problem(*at, error)), command)};
}

CLI::App* add_model(CLI::App& app, ModelCommand& command, RawOptions& raw) {
  CLI::App* const added = app.add_subcommand("model", "Download, list, describe and remove models");
  added->footer(kModelExamples);
  added->require_subcommand(1);
  const auto add_action = [&](ModelAction action, const char* name, const char* what) {
    CLI::App* const action_app = added->add_subcommand(name, what);
    if (action != ModelAction::kList) action_app->add_option("NAME", command.names, "Models")->required();
    if (action == ModelAction::kPull) action_app->add_flag("--quiet", command.quiet, "No progress bar");
    if (action == ModelAction::kList) action_app->add_flag("--json", command.json, "As JSON, for programs");
    add_log_level(*action_app, raw);
    action_app->callback([&command, action] { command.action = action; });
  };
  add_action(ModelAction::kPull, "pull", "Download models by name, or any Whisper of the hub as OWNER/NAME[@REVISION]");
  add_action(ModelAction::kList, "list", "What is installed, and what can be pulled");
  add_action(ModelAction::kInfo, "info", "Sizes, types, licence and checksums of a model");
  add_action(ModelAction::kPath, "path", "The folder of an installed model");
  add_action(ModelAction::kRemove, "rm", "Remove installed models");
  return added;
}

CLI::App* add_doctor(CLI::App& app, DoctorCommand& command, RawOptions& raw) {
  CLI::App* const added =
      app.add_subcommand("doctor", "What this machine can do, what will be used and why, and what is missing");
  add_engine_options(*added, command.engine, raw);
  added->add_flag("--json", command.json, "For programs");
  add_log_level(*added, raw);
  return added;
}

CLI::App* add_bench_file(CLI::App& app, BenchFileCommand& command, RawOptions& raw) {
  CLI::App* const bench = app.add_subcommand("bench", "Measure the speed of this machine");
  bench->footer(kBenchExamples);
  bench->require_subcommand(1);
  CLI::App* const added =
      bench->add_subcommand("file", "Transcribe files again and again, one after the other, and say how long it took");
  added->add_option("FILE", command.files, "Audio or video files")->required();
  added->add_option("--repeat", command.num_repeats, "How often, after once to warm up")
      ->check(whole_number(1, 1000000))
      ->type_name("N")
      ->capture_default_str();
  add_engine_options(*added, command.engine, raw);
  add_file_options(*added, command.file, raw);
  added->add_flag("--json", command.json, "For programs");
  add_log_level(*added, raw);
  return added;
}

CLI::App* add_eval(CLI::App& app, EvalCommand& command, RawOptions& raw) {
  CLI::App* const added = app.add_subcommand("eval", "Transcribe recordings whose text is known, and count the errors");
  added->footer(kEvalExamples);
  // First what says how it is transcribed; finish_eval() keeps these options for the report.
  raw.language = kGivenLanguage;
  add_engine_options(*added, command.engine, raw);
  add_file_options(*added, command.file, raw);
  added->get_option("--language")
      ->description("What is spoken: given is what the manifest says; auto finds out")
      ->type_name("given|auto|CODE");
  added->add_option("--jobs", command.num_jobs, "Recordings that are transcribed at once")
      ->check(whole_number(1, 256))
      ->type_name("N")
      ->capture_default_str();
  added->add_option("MANIFEST", command.manifest, "JSON lines: the recordings and their texts")->required();
  added->add_option("--only", command.only, "Some recordings: a kind, a language, or KIND/LANGUAGE; may be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("WHICH");
  added->add_option("--limit", command.limit, "The first N of them; 0: all")
      ->check(whole_number(0, 100000000))
      ->type_name("N")
      ->capture_default_str();
  added->add_option("--json", command.json, "Write everything there, for programs and for --against")
      ->type_name("FILE");
  added->add_option("--against", command.against, "Compare with what --json wrote before")->type_name("FILE");
  added->add_option("--output", command.output, "Write the transcripts there, as 'transcribe --format jsonl' does")
      ->type_name("FILE");
  added->add_option("--hypotheses", command.hypotheses, "Count the errors of these transcripts (JSON lines) instead")
      ->type_name("FILE");
  added->add_flag("--quiet", command.quiet, "No progress bar");
  add_log_level(*added, raw);
  return added;
}

/// The options up to --jobs with the values that they have.
std::vector<std::pair<std::string, std::string>> transcription_options(const CLI::App& app) {
  std::vector<std::pair<std::string, std::string>> options;
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_single_name();
    if (name == "help") continue;
    std::string value = option->get_default_str();
    if (!option->empty()) value = fmt::format("{}", fmt::join(option->results(), " "));
    if (!value.empty()) options.emplace_back(name, value);
    if (name == "jobs") break;
  }
  return options;
}

std::optional<UsageExit> finish_eval(const CLI::App& app, RawOptions& raw, EvalCommand& command) {
  command.options = transcription_options(app);
  // Whoever wants the language of every window detected wants no other.
  command.language_from_manifest = raw.language == kGivenLanguage && !command.file.multilingual;
  if (raw.language == kGivenLanguage) raw.language = "auto";
  if (!command.hypotheses.empty() && !command.output.empty()) {
    return wrong("--output: with --hypotheses nothing is transcribed that could be written");
  }
  std::optional<UsageExit> problem = finish_engine(app, raw, command.engine);
  return problem ? problem : finish_file(raw, command.file);
}

CLI::App* add_key(CLI::App& app, KeyCommand& command, RawOptions& raw, std::string& expires) {
  CLI::App* const added = app.add_subcommand("key", "Create, list and revoke the keys of those who use the server");
  added->footer(kKeyExamples);
  added->require_subcommand(1);

  CLI::App* const create = added->add_subcommand("create", "Create a key and print it, this once");
  auto key = std::make_shared<access::NewKey>();
  create->add_option("NAME", key->name, "Whose key it is; for logs and lists")->required();
  create->add_option("--streams", key->limits.streams, "Live streams at once; 0: no limit")
      ->check(whole_number(0, 1000000))
      ->type_name("N")
      ->capture_default_str();
  create
      ->add_option("--minutes-per-day", key->limits.audio_minutes_per_day,
                   "Minutes of audio a day (UTC), live and files; 0: no limit")
      ->check(number(0, 1e9))
      ->type_name("M")
      ->capture_default_str();
  create->add_flag("--admin", key->is_admin, "May also see what others do");
  create->add_option("--expires", expires, "Last day (UTC), or how long: 2027-12-31, 30d, 12h; otherwise never")
      ->type_name("WHEN");
  create->callback([&command, key] { command.action = CreateKey{*key}; });

  CLI::App* const list = added->add_subcommand("list", "All keys, their limits, and what they have used today");
  auto listing = std::make_shared<ListKeys>();
  list->add_flag("--json", listing->json, "For programs");
  list->callback([&command, listing] { command.action = *listing; });

  CLI::App* const revoke = added->add_subcommand("revoke", "End a key's rights, and those of its tokens");
  auto revoked = std::make_shared<RevokeKey>();
  revoke->add_option("ID", revoked->id, "As 'stenod key list' shows it")->required();
  revoke->callback([&command, revoked] { command.action = *revoked; });

  for (CLI::App* action : {create, list, revoke}) add_log_level(*action, raw);
  return added;
}

std::optional<UsageExit> finish_key(const std::string& expires, KeyCommand& command) {
  auto* create = std::get_if<CreateKey>(&command.action);
  if (create == nullptr || expires.empty()) return std::nullopt;
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const auto end = parse_expiry(expires, now);
  if (!end) return wrong("--expires: " + end.error().message);
  create->key.expires_at = *end;
  return std::nullopt;
}

}  // namespace

Result<std::chrono::sys_seconds> parse_expiry(std::string_view text, std::chrono::sys_seconds now) {
  using namespace std::chrono;
  const auto number = [&](std::size_t at, std::size_t size) -> int {
    int value = -1;
    const char* const begin = text.data() + at;
    const auto [end, error] = std::from_chars(begin, begin + size, value);
    return error == std::errc() && end == begin + size && *begin != '-' ? value : -1;
  };
  if (text.size() == 10 && text[4] == '-' && text[7] == '-') {
    const year_month_day date(year(number(0, 4)), month(static_cast<unsigned>(number(5, 2))),
                              day(static_cast<unsigned>(number(8, 2))));
    if (number(0, 4) >= 0 && date.ok()) return sys_seconds(sys_days(date) + days(1));
  } else if (text.size() >= 2 && text.size() <= 7) {
    const int count = number(0, text.size() - 1);
    if (count > 0 && text.back() == 'd') return now + days(count);
    if (count > 0 && text.back() == 'h') return now + hours(count);
  }
  return Error{
      ErrorCode::kInvalidArgument,
      fmt::format("'{}' is no time, expected a day such as 2027-12-31, or a duration such as 30d or 12h", text)};
}

std::string version_text() { return "stenod " STENOD_VERSION; }

std::variant<CommandLine, UsageExit> parse_command_line(int argc, const char* const* argv) {
  CLI::App app("Speech to text on your own machine.", "stenod");
  app.footer(kExamples);
  app.set_version_flag("--version", version_text(), "Print the version and exit");
  app.require_subcommand(1);
  app.fallthrough(false);

  RawOptions transcribe_raw, model_raw, doctor_raw, bench_raw, eval_raw, key_raw, listen_raw;
  std::string expires;
  TranscribeCommand transcribe;
  ModelCommand model;
  DoctorCommand doctor;
  BenchFileCommand bench;
  EvalCommand eval;
  KeyCommand key;
  ServeOptions serve;
  const CLI::App* const transcribe_app = add_transcribe(app, transcribe, transcribe_raw);
  const CLI::App* const model_app = add_model(app, model, model_raw);
  const CLI::App* const doctor_app = add_doctor(app, doctor, doctor_raw);
  const CLI::App* const bench_app = add_bench_file(app, bench, bench_raw);
  const CLI::App* const eval_app = add_eval(app, eval, eval_raw);
  const CLI::App* const serve_app = serve.add(app);
  const CLI::App* const key_app = add_key(app, key, key_raw, expires);
  ListenCommand listen;
  CLI::App* const listen_app = add_listen(app, listen);
  add_log_level(*listen_app, listen_raw);
  // Known, but not built yet: not shown, and every use says so.
  for (const char* name : {"worker", "plan"}) {
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
    problem = finish_transcribe(*transcribe_app, transcribe_raw, transcribe);
    line = {std::move(transcribe), transcribe_raw.log_level};
  } else if (*bench_app) {
    problem = finish_engine(*bench_app, bench_raw, bench.engine);
    if (!problem) problem = finish_file(bench_raw, bench.file);
    line = {std::move(bench), bench_raw.log_level};
  } else if (*eval_app) {
    problem = finish_eval(*eval_app, eval_raw, eval);
    line = {std::move(eval), eval_raw.log_level};
  } else if (*doctor_app) {
    problem = finish_engine(*doctor_app, doctor_raw, doctor.engine);
    line = {std::move(doctor), doctor_raw.log_level};
  } else if (*model_app) {
    line = {std::move(model), model_raw.log_level};
  } else if (*serve_app) {
    return serve.finish();
  } else if (*key_app) {
    problem = finish_key(expires, key);
    line = {std::move(key), key_raw.log_level};
  } else if (*listen_app) {
    line = {std::move(listen), listen_raw.log_level};
  } else {
    problem = wrong(fmt::format("'stenod {}' is not built yet", app.get_subcommands().front()->get_name()),
                    ErrorCode::kNotSupported);
  }
  if (problem) return *std::move(problem);
  return line;
}

}  // namespace stenod::app
