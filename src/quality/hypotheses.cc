#include "quality/hypotheses.h"

#include <fmt/format.h>

#include <unordered_map>
#include <utility>

#include "base/file.h"
#include "quality/json_record.h"

namespace stenod::quality {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 30;
constexpr std::size_t kMaxPathBytes = 4096;
constexpr double kMaxSeconds = 1e7;

/// The same for all ways to name a file, whether it exists or not.
std::string real_path(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::weakly_canonical(std::filesystem::absolute(path), error);
  return error ? path.string() : real.string();
}

/// Which recording a line is about.
class Recordings {
 public:
  explicit Recordings(std::span<const Recording> recordings) {
    for (std::size_t i = 0; i < recordings.size(); ++i) {
      by_id_.emplace(recordings[i].id, i);
      by_file_.emplace(real_path(recordings[i].audio), i);
    }
  }

  Result<std::optional<std::size_t>> find(const JsonRecord& record) const {
    if (record.find("id") != nullptr) {
      STENOD_ASSIGN_OR_RETURN(const std::string id, record.text("id"));
      return at(by_id_, id);
    }
    if (record.find("file") == nullptr) return record.error("id", "is missing, expected \"id\" or \"file\"");
    STENOD_ASSIGN_OR_RETURN(const std::string file, record.name("file", kMaxPathBytes));
    return at(by_file_, real_path(file));
  }

 private:
  using Table = std::unordered_map<std::string, std::size_t>;
  static std::optional<std::size_t> at(const Table& table, const std::string& key) {
    const auto found = table.find(key);
    return found == table.end() ? std::nullopt : std::optional(found->second);
  }

  Table by_id_, by_file_;
};

Result<Hypothesis> read_hypothesis(const JsonRecord& record) {
  Hypothesis out;
  STENOD_ASSIGN_OR_RETURN(const std::optional<std::string> text, record.optional_text("text"));
  if (const json::value* const failure = record.find("error")) {
    out.failure = "failed";
    if (failure->is_object()) {
      const JsonRecord error(failure->get_object(), record.where() + ": error", ErrorCode::kHypothesesMalformed);
      STENOD_ASSIGN_OR_RETURN(out.failure, error.optional_text("message"));
      if (!out.failure) out.failure = "failed";
    }
  } else if (!text) {
    return record.error("text", "is missing, expected a text, or \"error\"");
  }
  out.text = text.value_or("");
  const auto add_words = [&](const JsonRecord& segment) {
    return segment.for_each("words", [&](const JsonRecord& word) -> Status {
      text::Word read;
      STENOD_ASSIGN_OR_RETURN(read.word, word.text("word"));
      STENOD_ASSIGN_OR_RETURN(read.start, word.number("start", 0, kMaxSeconds));
      STENOD_ASSIGN_OR_RETURN(read.end, word.number("end", 0, kMaxSeconds));
      out.words.push_back(std::move(read));
      return {};
    });
  };
  STENOD_RETURN_IF_ERROR(record.for_each("segments", add_words));
  return out;
}

}  // namespace

Result<Hypotheses> parse_hypotheses(std::string_view contents, std::string_view file,
                                    std::span<const Recording> recordings) {
  const Recordings known(recordings);
  std::vector<std::optional<Hypothesis>> read(recordings.size());
  Hypotheses out;
  const auto add = [&](const JsonRecord& record) -> Status {
    STENOD_ASSIGN_OR_RETURN(Hypothesis hypothesis, read_hypothesis(record));
    STENOD_ASSIGN_OR_RETURN(const std::optional<std::size_t> index, known.find(record));
    if (!index) {
      ++out.num_unknown;
      return {};
    }
    if (read[*index]) return record.error("id", fmt::format("is a second line about '{}'", recordings[*index].id));
    read[*index] = std::move(hypothesis);
    return {};
  };
  STENOD_RETURN_IF_ERROR(for_each_line(contents, file, ErrorCode::kHypothesesMalformed, add));
  for (std::optional<Hypothesis>& hypothesis : read) {
    out.of_recordings.push_back(hypothesis ? *std::move(hypothesis) : Hypothesis{{}, {}, "no line in the file"});
  }
  return out;
}

Result<Hypotheses> read_hypotheses(const std::filesystem::path& file, std::span<const Recording> recordings) {
  STENOD_ASSIGN_OR_RETURN(const std::string contents, read_file(file, kMaxFileBytes));
  return parse_hypotheses(contents, file.string(), recordings);
}

}  // namespace stenod::quality
