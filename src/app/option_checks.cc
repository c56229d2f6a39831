#include "app/option_checks.h"

#include <fmt/format.h>

#include <charconv>
#include <string>
#include <system_error>

namespace stenod::app {

CLI::Validator whole_number(int min, int max) {
  const auto check = [min, max](const std::string& typed) -> std::string {
    int value = 0;
    const auto [end, error] = std::from_chars(typed.data(), typed.data() + typed.size(), value);
    const bool is_number = end == typed.data() + typed.size() && error != std::errc::invalid_argument;
    if (is_number && error == std::errc() && value >= min && value <= max) return {};
    return fmt::format("'{}' is {}, expected {} to {}", typed, is_number ? "out of range" : "no number", min, max);
  };
  return CLI::Validator(check, "");
}

CLI::Validator number(double min, double max) {
  const auto check = [min, max](const std::string& typed) -> std::string {
    double value = 0;
    const auto [end, error] = std::from_chars(typed.data(), typed.data() + typed.size(), value);
    const bool is_read = error == std::errc() && end == typed.data() + typed.size();
    if (is_read && value >= min && value <= max) return {};  // not NaN either
    return fmt::format("'{}' is not allowed, expected a number from {} to {}", typed, min, max);
  };
  return CLI::Validator(check, "");
}

}  // namespace stenod::app
