#include "base/log.h"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "base/json.h"
#include "base/time_text.h"

namespace stenod {
namespace {

/// Marks a payload that log_event() has formatted already.
constexpr std::string_view kEventLogger = "event";

std::atomic<LogFormat> g_format = LogFormat::kMessages;
std::shared_ptr<log::logger> g_events;  // set once, before other threads are started

/// As a JSON string, which has to be UTF-8.
std::string quoted(std::string_view text) {
  std::string out = json::serialize(json::string(text));
  if (parse_json(out)) return out;
  std::string clean;
  for (const char c : text) clean += static_cast<unsigned char>(c) < 0x80 ? std::string(1, c) : "\xEF\xBF\xBD";
  return json::serialize(json::string(clean));
}

bool is_one_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; });
}

bool is_plain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return c > ' ' && c < 0x7F && c != '"' && c != '=' && c != '\\'; });
}

void append_value(std::string& line, const LogField::Value& value, LogFormat format) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    line += format != LogFormat::kJson && is_plain(*text) ? std::string(*text) : quoted(*text);
  } else if (const auto* number = std::get_if<double>(&value); number != nullptr && !std::isfinite(*number)) {
    line += "null";
  } else {
    std::visit([&](const auto& simple) { fmt::format_to(std::back_inserter(line), "{}", simple); }, value);
  }
}

/// Lines for an operator's tools. Whatever a message holds, it stays one line.
class LineFormatter : public log::formatter {
 public:
  explicit LineFormatter(LogFormat format) : format_(format) {}

  void format(const log::details::log_msg& message, log::memory_buf_t& out) override {
    const std::string_view payload(message.payload.data(), message.payload.size());
    const auto level = log::level::to_string_view(message.level);
    const bool is_event = std::string_view(message.logger_name.data(), message.logger_name.size()) == kEventLogger;
    const std::string stamp = format_time(std::chrono::floor<std::chrono::milliseconds>(message.time));
    const std::string_view level_text(level.data(), level.size());
    std::string line;
    if (format_ == LogFormat::kJson) {
      line = fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",", stamp, level_text);
      line += is_event ? std::string(payload) : "\"message\":" + quoted(payload);
      line += "}\n";
    } else {
      line =
          fmt::format("{} {} {}\n", stamp, level_text, is_one_line(payload) ? std::string(payload) : quoted(payload));
    }
    out.append(line.data(), line.data() + line.size());
  }

  std::unique_ptr<log::formatter> clone() const override { return std::make_unique<LineFormatter>(format_); }

 private:
  const LogFormat format_;
};

}  // namespace

void init_log(std::string_view level, LogFormat format) {
  const auto sink = std::make_shared<log::sinks::stderr_color_sink_mt>();
  if (format == LogFormat::kMessages) {
    sink->set_pattern("%^%l%$: %v");
  } else {
    sink->set_formatter(std::make_unique<LineFormatter>(format));
  }
  // Why a command failed is always said.
  const auto least = std::min(log::level::from_str(std::string(level)), log::level::err);
  auto logger = std::make_shared<log::logger>("stenod", sink);
  auto events = std::make_shared<log::logger>(std::string(kEventLogger), sink);
  logger->set_level(least);
  events->set_level(least);
  g_format = format;
  g_events = std::move(events);
  log::set_default_logger(std::move(logger));
}

void log_event(log::level::level_enum level, std::string_view event, std::initializer_list<LogField> fields) {
  if (g_events == nullptr || !g_events->should_log(level)) return;
  const LogFormat format = g_format;
  std::string line;
  if (format == LogFormat::kJson) line += "\"event\":";
  append_value(line, event, format);
  for (const LogField& field : fields) {
    line += format == LogFormat::kJson ? fmt::format(",\"{}\":", field.name) : fmt::format(" {}=", field.name);
    append_value(line, field.value, format);
  }
  g_events->log(level, "{}", line);
}

}  // namespace stenod
