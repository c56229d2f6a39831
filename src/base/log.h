#pragma once

#include <spdlog/spdlog.h>

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>

namespace stenod {

namespace log = spdlog;

enum class LogFormat {
  kMessages,  ///< "warning: what is wrong", for whoever called a command
  kText,      ///< "2027-01-31T12:00:00.123Z info session_ended session_id=4f2a audio_s=3.2", for a server's operator
  kJson,      ///< the same as one JSON object a line: "time", "level", "event" or "message", and the fields
};

/// Messages to people go to stderr, results to stdout. Call once at start. `level`: trace|debug|info|warn|error|off;
/// errors are shown with each of them.
void init_log(std::string_view level, LogFormat format = LogFormat::kMessages);

/// One field of a logged event. Names are snake_case, with the unit at the end. Text needs not be printable or UTF-8.
struct LogField {
  using Value = std::variant<std::string_view, bool, std::int64_t, std::uint64_t, double>;

  LogField(std::string_view field_name, std::string_view text) : name(field_name), value(text) {}
  LogField(std::string_view field_name, const char* text) : name(field_name), value(std::string_view(text)) {}
  LogField(std::string_view field_name, bool flag) : name(field_name), value(flag) {}
  LogField(std::string_view field_name, std::signed_integral auto number)
      : name(field_name), value(static_cast<std::int64_t>(number)) {}
  LogField(std::string_view field_name, std::unsigned_integral auto number)
      : name(field_name), value(static_cast<std::uint64_t>(number)) {}
  LogField(std::string_view field_name, double number) : name(field_name), value(number) {}

  std::string_view name;
  Value value;
};

/// Logs what happened under a name that stays (snake_case), for instance
/// log_event(log::level::info, "session_ended", {{"session_id", id}, {"audio_s", 3.2}}).
/// Never pass on what people said, unless live.log_text asks for it. Any thread.
void log_event(log::level::level_enum level, std::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace stenod
