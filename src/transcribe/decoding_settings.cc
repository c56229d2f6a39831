#include "transcribe/decoding_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace stenod::transcribe {
namespace {

Result<std::shared_ptr<const whisper::SuppressedTokens>> suppressed_tokens(const DecodingSettings& settings,
                                                                           const Recogniser& recogniser) {
  const auto of_model = recogniser.suppressed_tokens();
  if (!settings.suppress_tokens && settings.suppress_blank) return of_model;
  auto suppressed = std::make_shared<whisper::SuppressedTokens>();
  if (settings.suppress_blank && of_model) suppressed->at_begin = of_model->at_begin;
  for (const int token : settings.suppress_tokens.value_or(std::vector<int>{-1})) {
    if (token == -1) {
      if (of_model) {
        suppressed->always.insert(suppressed->always.end(), of_model->always.begin(), of_model->always.end());
      }
    } else if (token < 0 || token >= recogniser.dims().vocab_size) {
      return Error{
          ErrorCode::kInvalidArgument,
          fmt::format("suppress_tokens: {} is no token of this model, which has 0 to {}; -1 stands for its own list",
                      token, recogniser.dims().vocab_size - 1),
          "suppress_tokens"};
    } else if (token == recogniser.tokenizer().special().eot ||
               token >= recogniser.tokenizer().special().timestamp_begin) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("suppress_tokens: {} is {}, which no text can do without", token,
                               token == recogniser.tokenizer().special().eot ? "the end of text" : "a timestamp"),
                   "suppress_tokens"};
    } else {
      suppressed->always.push_back(token);
    }
  }
  return std::shared_ptr<const whisper::SuppressedTokens>(std::move(suppressed));
}

}  // namespace

std::vector<int> encode_stripped(const text::Tokenizer& tokenizer, std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n\v\f";
  const auto first = text.find_first_not_of(kSpaces);
  if (first == text.npos) return {};
  text = text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
  return tokenizer.encode(fmt::format(" {}", text));
}

DecodingSettings default_file_decoding() {
  DecodingSettings settings;
  settings.search.beam_size = 5;
  settings.search.temperatures = {0.0f, 0.2f, 0.4f, 0.6f, 0.8f, 1.0f};
  return settings;
}

std::vector<int> join_prompt(std::span<const int> hotwords, std::span<const int> previous, int max_tokens) {
  const auto most = static_cast<std::size_t>(std::max(0, max_tokens));
  const std::size_t kept = std::max(most / 2, most - std::min(most, previous.size()));
  const auto first = hotwords.first(std::min(hotwords.size(), kept));
  const auto second = previous.last(std::min(previous.size(), most - first.size()));
  std::vector<int> prompt(first.begin(), first.end());
  prompt.insert(prompt.end(), second.begin(), second.end());
  return prompt;
}

Result<DecodingPlan> plan_decoding(const DecodingSettings& settings, const Recogniser& recogniser) {
  const text::Tokenizer& tokenizer = recogniser.tokenizer();
  DecodingPlan plan;
  plan.hotwords = encode_stripped(tokenizer, settings.hotwords);
  plan.initial_prompt = encode_stripped(tokenizer, settings.initial_prompt);
  STENOD_ASSIGN_OR_RETURN(plan.options.suppressed, suppressed_tokens(settings, recogniser));
  plan.options.search = settings.search;
  plan.options.thresholds = settings.thresholds;
  if (settings.max_initial_timestamp_s) plan.options.max_initial_timestamp_s = *settings.max_initial_timestamp_s;
  plan.options.prefix = encode_stripped(tokenizer, settings.prefix);
  plan.options.prompt =
      join_prompt(plan.hotwords, plan.initial_prompt, max_prompt_tokens(recogniser.dims().max_text_positions));
  return plan;
}

}  // namespace stenod::transcribe
