#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace stenod::text {

/// Writes JSON member by member, for people to read: in the order of the calls and with the decimals asked for. The
/// caller keeps brackets in balance. Always valid UTF-8.
class JsonWriter {
 public:
  /// `indented`: members on lines of their own; else all on one line.
  explicit JsonWriter(bool indented) : indented_(indented) {}

  void open(char bracket);
  void close(char bracket);
  /// Before each element of an array.
  void element();
  /// Before a value that is not written by one of the functions below.
  void key(std::string_view name);

  void string(std::string_view name, std::string_view value);
  /// null for what is no number.
  void number(std::string_view name, double value, int decimals);
  void milliseconds(std::string_view name, std::int64_t ms);  ///< as seconds; not negative
  void literal(std::string_view name, std::string_view value);

  std::string take() { return std::move(out_); }

 private:
  void new_line();

  bool indented_;
  bool first_ = true;
  int depth_ = 0;
  std::string out_;
};

}  // namespace stenod::text
