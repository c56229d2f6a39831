#include "app/settings/settings_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <limits>

#include "base/ip_address.h"
#include "base/json.h"
#include "whisper/decoding_options.h"

namespace stenod::app {
namespace {

using Server = ServeSettings::Server;
using Engine = ServeSettings::Engine;
using Live = ServeSettings::Live;
using Files = ServeSettings::Files;
using Access = ServeSettings::Access;
using Log = ServeSettings::Log;

template <auto member>
auto& server(ServeSettings& settings) {
  return settings.server.*member;
}
template <auto member>
auto& engine(ServeSettings& settings) {
  return settings.engine.*member;
}
template <auto member>
auto& live(ServeSettings& settings) {
  return settings.live.*member;
}
template <auto member>
auto& files(ServeSettings& settings) {
  return settings.files.*member;
}
template <auto member>
auto& access(ServeSettings& settings) {
  return settings.access.*member;
}
template <auto member>
auto& log(ServeSettings& settings) {
  return settings.log.*member;
}

constexpr std::string_view kComputeTypes[] = {"auto", "int8", "bf16", "f32"};
constexpr std::string_view kIsas[] = {"auto", "avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx"};
constexpr std::string_view kLevels[] = {"trace", "debug", "info", "warn", "error", "off"};
constexpr std::string_view kFormats[] = {"text", "json"};

constexpr std::int64_t kMaxThreads = 256;
constexpr std::int64_t kManyBytes = std::int64_t{1} << 40;
constexpr std::size_t kMaxTextBytes = 4096;
constexpr std::size_t kMaxListTexts = 1000;

Error wrong(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Status check_endpoint(const std::string& text) {
  const auto endpoint = parse_endpoint(text);
  return endpoint ? Status() : Status(endpoint.error());
}

Status check_network(const std::string& text) {
  const auto network = IpNetwork::parse(text);
  return network ? Status() : Status(network.error());
}

/// Scheme, host and port as browsers send them (RFC 6454, section 6.1), or "*".
Status check_origin(const std::string& text) {
  const auto scheme_end = text.find("://");
  const std::string scheme = text.substr(0, scheme_end);
  const std::string host = scheme_end == std::string::npos ? "" : text.substr(scheme_end + 3);
  const bool is_origin = (scheme == "http" || scheme == "https") && !host.empty() &&
                         std::all_of(host.begin(), host.end(), [](unsigned char c) {
                           return std::isdigit(c) != 0 || std::islower(c) != 0 ||
                                  std::string_view(".-:[]").find(char(c)) != std::string_view::npos;
                         });
  if (text == "*" || is_origin) return {};
  return wrong(
      fmt::format("'{}' is no origin, expected for instance https://app.example.com, in lower case and without "
                  "a path, or *",
                  text));
}

Status check_host(const std::string& text) {
  const auto endpoint = parse_endpoint(text + ":0");
  return endpoint ? Status() : Status(wrong(fmt::format("'{}' is no host name or address", text)));
}

Status check_model(const std::string& text) {
  return text.empty() ? Status(wrong("expected the name of an installed model, or a folder or file")) : Status();
}

Status check_device(const std::string& text) {
  if (text == "auto" || text == "cpu") return {};
  if (text == "cuda") return Error{ErrorCode::kNotSupported, "this build computes on CPUs only, expected auto or cpu"};
  return wrong(fmt::format("unknown device '{}', expected auto or cpu", text));
}

Status any_text(const std::string&) { return {}; }

const Setting kSettings[] = {
    {"server", "listen", Text{&server<&Server::listen>, check_endpoint},
     "Address and port; *: all addresses; port 0: a free one. Beyond this machine it takes keys", "listen"},
    {"server", "io_threads", Integer{&server<&Server::io_threads>, 0, kMaxThreads},
     "Threads that serve sockets; 0: by the number of cores"},
    {"server", "audio_threads", Integer{&server<&Server::audio_threads>, 0, kMaxThreads},
     "Threads that decode audio and look for speech; 0: by the number of cores"},
    {"server", "max_connections", Integer{&server<&Server::max_connections>, 1, 1000000}, "Connections at once"},
    {"server", "max_connections_per_ip", Integer{&server<&Server::max_connections_per_ip>, 0, 1000000},
     "Connections at once from one client address (of IPv6: 64 bits); 0: no limit"},
    {"server", "max_message_bytes", Integer{&server<&Server::max_message_bytes>, 1024, 1 << 30},
     "Largest WebSocket message"},
    {"server", "permessage_deflate", Switch{&server<&Server::permessage_deflate>},
     "Compress WebSocket messages for clients that ask for it; audio hardly shrinks"},
    {"server", "allowed_origins", TextList{&server<&Server::allowed_origins>, check_origin},
     "Web origins that may connect besides the server's own page, such as https://app.example.com; *: any"},
    {"server", "allowed_hosts", TextList{&server<&Server::allowed_hosts>, check_host},
     "Names by which browsers may call the server; *: any. Empty: any, but on loopback only localhost and addresses"},
    {"server", "trusted_proxies", TextList{&server<&Server::trusted_proxies>, check_network},
     "Addresses or networks of proxies whose X-Forwarded-For is believed"},
    {"server", "tls_certificate", Text{&server<&Server::tls_certificate>, any_text},
     "File (PEM) with the certificate and those up to the root; empty: no TLS"},
    {"server", "tls_key", Text{&server<&Server::tls_key>, any_text}, "File (PEM) with the certificate's private key"},
    {"server", "allow_public_without_keys", Switch{&server<&Server::allow_public_without_keys>},
     "Serve other machines although no key was created: anybody who reaches the port may use it"},
    {"server", "shutdown_s", Integer{&server<&Server::shutdown_s>, 0, 3600},
     "How long sessions may take for their last texts when the server ends"},

    {"engine", "model", Text{&engine<&Engine::model>, check_model}, "Installed model, or the folder or file of one",
     "model", "MODEL_SIZE"},
    {"engine", "threads", Integer{&engine<&Engine::threads>, 0, kMaxThreads},
     "Cores to compute on; 0: all that the process may use", "threads"},
    {"engine", "compute_type", Choice{&engine<&Engine::compute_type>, kComputeTypes},
     "How products are computed; auto is int8", "compute-type"},
    {"engine", "max_isa", Choice{&engine<&Engine::max_isa>, kIsas}, "Widest instructions to use", "max-isa"},
    {"engine", "device", Text{&engine<&Engine::device>, check_device}, "Where to compute: auto or cpu", "device",
     "DEVICE"},
    {"engine", "slots", Integer{&engine<&Engine::slots>, 4, 256}, "Windows of audio that are decoded at once"},

    {"live", "silence_ms", Integer{&live<&Live::silence_ms>, 50, 60000},
     "Pause that ends an utterance; 200 ms more in mid-sentence"},
    {"live", "silence_ms_min", Integer{&live<&Live::silence_ms_min>, 50, 60000}, "Least that a session may set"},
    {"live", "silence_ms_max", Integer{&live<&Live::silence_ms_max>, 50, 60000}, "Most that a session may set"},
    {"live", "vad_threshold", Number{&live<&Live::vad_threshold>, 0.01, 0.99},
     "Probability from which sound counts as speech"},
    {"live", "vad_threshold_min", Number{&live<&Live::vad_threshold_min>, 0.01, 0.99}, "Least that a session may set"},
    {"live", "vad_threshold_max", Number{&live<&Live::vad_threshold_max>, 0.01, 0.99}, "Most that a session may set"},
    {"live", "min_speech_ms", Integer{&live<&Live::min_speech_ms>, 0, 10000}, "Speech that is shorter is left out"},
    {"live", "min_speech_ms_min", Integer{&live<&Live::min_speech_ms_min>, 0, 10000}, "Least that a session may set"},
    {"live", "min_speech_ms_max", Integer{&live<&Live::min_speech_ms_max>, 0, 10000}, "Most that a session may set"},
    {"live", "partial_interval_ms", Integer{&live<&Live::partial_interval_ms>, 100, 60000},
     "Time between unsettled texts of an utterance; 400 at most in its first three seconds, longer under load"},
    {"live", "partial_interval_ms_min", Integer{&live<&Live::partial_interval_ms_min>, 100, 60000},
     "Least that a session may set"},
    {"live", "partial_interval_ms_max", Integer{&live<&Live::partial_interval_ms_max>, 100, 60000},
     "Most that a session may set"},
    {"live", "beam_size", Integer{&live<&Live::beam_size>, 1, whisper::kMaxBranches},
     "Hypotheses of finals that are followed at once; more are slower, and make fewer errors"},
    {"live", "beam_size_max", Integer{&live<&Live::beam_size_max>, 1, whisper::kMaxBranches},
     "Most that a session may set"},
    {"live", "max_sessions", Integer{&live<&Live::max_sessions>, 0, 100000},
     "Sessions at once; fewer where the machine can't carry them"},
    {"live", "max_session_s", Integer{&live<&Live::max_session_s>, 10, 7 * 86400}, "Longest session"},
    {"live", "idle_timeout_s", Integer{&live<&Live::idle_timeout_s>, 1, 86400},
     "A session that sends nothing for so long is ended"},
    {"live", "log_text", Switch{&live<&Live::log_text>},
     "Write what people said into the log: finals, and what was suppressed"},

    {"files", "max_upload_bytes", Integer{&files<&Files::max_upload_bytes>, 1024, kManyBytes}, "Largest recording"},
    {"files", "max_concurrent", Integer{&files<&Files::max_concurrent>, 1, 256},
     "Recordings that are transcribed at once"},
    {"files", "max_queued", Integer{&files<&Files::max_queued>, 0, 100000},
     "Recordings that wait for that; more are refused"},
    {"files", "timeout_s", Integer{&files<&Files::timeout_s>, 1, 7 * 86400}, "Longest time that a request may take"},

    {"access", "max_streams_per_ip", Integer{&access<&Access::max_streams_per_ip>, 0, 100000},
     "Live streams at once from one client address (of IPv6: 64 bits); 0: no limit"},
    {"access", "token_ttl_s", Integer{&access<&Access::token_ttl_s>, 1, 365 * 86400},
     "How long a token can be used where the request doesn't say"},
    {"access", "max_token_ttl_s", Integer{&access<&Access::max_token_ttl_s>, 1, 365 * 86400},
     "Most that a request for a token may ask for"},

    {"log", "level", Choice{&log<&Log::level>, kLevels}, "Least important messages to show"},
    {"log", "format", Choice{&log<&Log::format>, kFormats}, "Fields behind each event, or one JSON object a line"},
};

/// "live" and "silence_ms" with something between, all dashes or underscores.
std::string spelled(std::string_view prefix, std::string_view name, char separator, bool is_upper) {
  std::string text = std::string(prefix) + std::string(name);
  for (char& c : text) {
    if (c == '_' || c == '-') c = separator;
    if (is_upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return text;
}

Status check_text(const std::string& text, TextCheck check) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
  if (text.size() > kMaxTextBytes)
    return wrong(fmt::format("{} bytes, expected at most {}", text.size(), kMaxTextBytes));
  if (std::any_of(text.begin(), text.end(), is_control)) return wrong("expected a text without control characters");
  return check(text);
}

std::string_view kind_name(const Setting& setting) {
  struct Names {
    std::string_view operator()(const Switch&) const { return "true or false"; }
    std::string_view operator()(const Integer&) const { return "a whole number, "; }
    std::string_view operator()(const Number&) const { return "a number, "; }
    std::string_view operator()(const Choice&) const { return "one of "; }
    std::string_view operator()(const Text&) const { return "a text"; }
    std::string_view operator()(const TextList&) const { return "a list of texts"; }
  };
  return std::visit(Names(), setting.kind);
}

template <typename T>
std::optional<T> parse_number(std::string_view typed) {
  T value = {};
  const auto [end, error] = std::from_chars(typed.data(), typed.data() + typed.size(), value);
  if (typed.empty() || error != std::errc() || end != typed.data() + typed.size()) return std::nullopt;
  return value;
}

std::string_view strip(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

/// Takes the value if its type and value are right.
struct Setter {
  const Setting& setting;
  const SettingValue& value;
  ServeSettings& settings;

  Status refuse() const {
    std::string shown = format_setting(value);
    if (shown.size() > 100) shown = "this";
    return wrong(fmt::format("{} is not allowed, expected {}{}", shown, kind_name(setting), setting.allowed()));
  }

  Status operator()(const Switch& kind) const {
    const bool* flag = std::get_if<bool>(&value);
    if (flag == nullptr) return refuse();
    kind.at(settings) = *flag;
    return {};
  }
  Status operator()(const Integer& kind) const {
    const auto* number = std::get_if<std::int64_t>(&value);
    if (number == nullptr || *number < kind.min || *number > kind.max) return refuse();
    kind.at(settings) = *number;
    return {};
  }
  Status operator()(const Number& kind) const {
    const auto* whole = std::get_if<std::int64_t>(&value);
    const auto* broken = std::get_if<double>(&value);
    if (whole == nullptr && broken == nullptr) return refuse();
    const double number = whole != nullptr ? static_cast<double>(*whole) : *broken;
    if (!(number >= kind.min && number <= kind.max)) return refuse();  // not NaN either
    kind.at(settings) = number;
    return {};
  }
  Status operator()(const Choice& kind) const {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr || std::find(kind.choices.begin(), kind.choices.end(), *text) == kind.choices.end()) {
      return refuse();
    }
    kind.at(settings) = *text;
    return {};
  }
  Status operator()(const Text& kind) const {
    const auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) return refuse();
    STENOD_RETURN_IF_ERROR(check_text(*text, kind.check));
    kind.at(settings) = *text;
    return {};
  }
  Status operator()(const TextList& kind) const {
    const auto* texts = std::get_if<std::vector<std::string>>(&value);
    if (texts == nullptr) return refuse();
    if (texts->size() > kMaxListTexts) {
      return wrong(fmt::format("{} texts, expected at most {}", texts->size(), kMaxListTexts));
    }
    for (const std::string& text : *texts) STENOD_RETURN_IF_ERROR(check_text(text, kind.check));
    kind.at(settings) = *texts;
    return {};
  }
};

}  // namespace

std::string Setting::key() const { return fmt::format("{}.{}", section, name); }
std::string Setting::flag() const { return "--" + spelled(std::string(section) + '-', name, '-', false); }
std::string Setting::variable() const { return "STENOD_" + spelled(std::string(section) + '_', name, '_', true); }
std::string Setting::short_flag() const { return short_name.empty() ? "" : "--" + std::string(short_name); }
std::string Setting::short_variable() const {
  return short_name.empty() ? "" : "STENOD_" + spelled("", short_name, '_', true);
}

std::string Setting::allowed() const {
  if (const auto* integer = std::get_if<Integer>(&kind)) return fmt::format("{} to {}", integer->min, integer->max);
  if (const auto* number = std::get_if<Number>(&kind)) return fmt::format("{} to {}", number->min, number->max);
  if (const auto* choice = std::get_if<Choice>(&kind)) return fmt::format("{}", fmt::join(choice->choices, ", "));
  return "";
}

std::span<const Setting> settings_table() { return kSettings; }

SettingValue get_setting(const Setting& setting, const ServeSettings& settings) {
  ServeSettings copy = settings;
  return std::visit([&](const auto& kind) { return SettingValue(kind.at(copy)); }, setting.kind);
}

SettingValue parse_setting(const Setting& setting, std::string_view typed) {
  const std::string text(typed);
  if (std::holds_alternative<Switch>(setting.kind) && (typed == "true" || typed == "false")) return typed == "true";
  if (std::holds_alternative<Integer>(setting.kind)) {
    if (const auto number = parse_number<std::int64_t>(typed)) return *number;
  }
  if (std::holds_alternative<Number>(setting.kind)) {
    if (const auto number = parse_number<double>(typed)) return *number;
  }
  if (!std::holds_alternative<TextList>(setting.kind)) return text;
  std::vector<std::string> texts;
  while (!typed.empty()) {
    const auto comma = std::min(typed.find(','), typed.size());
    texts.emplace_back(strip(typed.substr(0, comma)));
    typed.remove_prefix(std::min(comma + 1, typed.size()));
  }
  return texts;
}

std::string format_setting(const SettingValue& value) {
  // What JSON and TOML share, but for numbers with an exponent or without a point.
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{:#}", *number);
  return std::visit([](const auto& simple) { return json::serialize(json::value_from(simple)); }, value);
}

Status set_setting(const Setting& setting, const SettingValue& value, ServeSettings& settings) {
  return std::visit(Setter{setting, value, settings}, setting.kind);
}

std::vector<Error> check_settings(const ServeSettings& settings) {
  std::vector<Error> problems;
  const auto check_range = [&](std::string_view name, auto value, auto min, auto max) {
    if (value >= min && value <= max) return;
    problems.push_back(wrong(
        fmt::format("live.{0} is {1}, expected {2} (live.{0}_min) to {3} (live.{0}_max)", name, value, min, max)));
  };
  const ServeSettings::Live& l = settings.live;
  check_range("silence_ms", l.silence_ms, l.silence_ms_min, l.silence_ms_max);
  check_range("vad_threshold", l.vad_threshold, l.vad_threshold_min, l.vad_threshold_max);
  check_range("min_speech_ms", l.min_speech_ms, l.min_speech_ms_min, l.min_speech_ms_max);
  check_range("beam_size", l.beam_size, 1, l.beam_size_max);
  check_range("partial_interval_ms", l.partial_interval_ms, l.partial_interval_ms_min, l.partial_interval_ms_max);
  if (settings.server.tls_certificate.empty() != settings.server.tls_key.empty()) {
    problems.push_back(wrong("server.tls_certificate and server.tls_key are needed together, or neither"));
  }
  if (settings.access.token_ttl_s > settings.access.max_token_ttl_s) {
    problems.push_back(wrong(fmt::format("access.token_ttl_s is {}, expected at most {} (access.max_token_ttl_s)",
                                         settings.access.token_ttl_s, settings.access.max_token_ttl_s)));
  }
  return problems;
}

std::string settings_markdown() {
  std::string out;
  std::string_view section;
  const ServeSettings defaults;
  for (const Setting& setting : kSettings) {
    if (setting.section != section) {
      section = setting.section;
      out += fmt::format("{}### [{}]\n| name | default | allowed | |\n|---|---|---|---|\n", out.empty() ? "" : "\n",
                         section);
    }
    std::string also;
    if (!setting.short_name.empty())
      also += fmt::format("; also `{}`, `{}`", setting.short_flag(), setting.short_variable());
    if (!setting.older_variable.empty()) also += fmt::format(", `{}`", setting.older_variable);
    out += fmt::format("| `{}` | `{}` | {} | {}{} |\n", setting.name, format_setting(get_setting(setting, defaults)),
                       setting.allowed(), setting.description, also);
  }
  return out;
}

}  // namespace stenod::app
