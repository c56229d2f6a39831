// The first byte chooses the reader, the rest is the file: a manifest, parts, transcripts, or a report. What is read
// can be scored and written.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "quality/report.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stenod::quality;
  if (size < 1 || size > 64 * 1024) return 0;
  const std::string_view contents(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::vector<Recording> known = {{"a", "a.wav", "one two three", "en", "read"},
                                        {"b", "b.wav", "", "zxx", "noise"},
                                        {"c", "c.wav", "你好", "zh", "long", 1.0, {{0.0, "你"}, {0.5, "好"}}}};
  Report report;
  switch (data[0] % 4) {
    case 0:
      if (const auto recordings = parse_manifest(contents, "fuzz")) {
        report.evaluation = evaluate(*recordings, std::vector<Hypothesis>(recordings->size(), {"one 二"}));
      }
      break;
    case 1:
      if (const auto parts = parse_parts(contents, "fuzz")) {
        for (const Part& part : *parts) {
          if (!std::isfinite(part.start_s)) std::abort();
        }
      }
      break;
    case 2:
      if (const auto hypotheses = parse_hypotheses(contents, "fuzz", known)) {
        report.evaluation = evaluate(known, hypotheses->of_recordings);
      }
      break;
    default:
      if (const auto results = parse_report(contents, "fuzz")) {
        if (auto comparison = compare(*results, *results)) report.comparison = *std::move(comparison);
      }
  }
  report_text(report);
  report_json(report);
  return 0;
}
