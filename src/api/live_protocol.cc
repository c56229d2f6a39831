#include "api/live_protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <functional>
#include <set>
#include <utility>

#include "base/json.h"
#include "text/language.h"
#include "text/utf8.h"

namespace stenod::api {
namespace {

// ---------------------------------------------------------------------------------------------- settings

Error invalid(std::string message, std::string_view param) {
  return {ErrorCode::kInvalidArgument, std::move(message), std::string(param)};
}

/// A setting as it was sent: text in a query, typed in a message.
class Value {
 public:
  Value(std::string_view name, std::string_view text) : name_(name), text_(text) {}
  Value(std::string_view name, const json::value& typed) : name_(name), typed_(&typed) {}

  std::string_view name() const { return name_; }

  Result<std::string> text() const {
    if (typed_ == nullptr) return std::string(text_);
    if (const auto* string = typed_->if_string()) return std::string(*string);
    return expected("a string");
  }
  /// Maybe NaN or infinite, which no range has in it.
  Result<double> number() const {
    double value = 0;
    if (typed_ == nullptr) {
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
      if (error != std::errc() || end != text_.data() + text_.size()) return expected("a number");
    } else {
      boost::system::error_code error;
      value = typed_->to_number<double>(error);
      if (error) return expected("a number");
    }
    return value;
  }
  Result<int> whole_number() const {
    STENOD_ASSIGN_OR_RETURN(const double value, number());
    const bool is_whole = value == std::floor(value) && std::abs(value) < 1e9;
    if (!is_whole) return expected("a whole number");
    return static_cast<int>(value);
  }
  Result<bool> flag() const {
    if (typed_ == nullptr) {
      if (text_ == "true" || text_ == "1") return true;
      if (text_ == "false" || text_ == "0") return false;
    } else if (const auto* flag = typed_->if_bool()) {
      return *flag;
    }
    return expected("true or false");
  }
  /// Which of two words it is.
  Result<bool> either(std::string_view no, std::string_view yes) const {
    const auto word = text();
    if (word && *word == no) return false;
    if (word && *word == yes) return true;
    return expected(fmt::format("{} or {}", no, yes));
  }
  Error expected(std::string_view what) const {
    std::string sent = typed_ == nullptr ? std::string(text_) : json::serialize(*typed_);
    if (sent.size() > 60) sent = sent.substr(0, 60) + "…";
    return invalid(fmt::format("{} is '{}', expected {}", name_, text::to_valid_utf8(sent), what), name_);
  }

 private:
  std::string_view name_;
  std::string_view text_;
  const json::value* typed_ = nullptr;
};

template <typename T>
Status assign(T& target, Result<T> value) {
  if (!value) return value.error();
  target = std::move(*value);
  return {};
}

struct Setter {
  std::string_view name;
  Status (*apply)(LiveSettings& settings, const Value& value, const LiveOffer& offer);
};

Status set_encoding(LiveSettings& settings, const Value& value, const LiveOffer&) {
  const auto name = value.text();
  const auto encoding = name ? audio::parse_stream_encoding(*name) : std::nullopt;
  if (!encoding) return value.expected("auto, f32le, s16le, mulaw, alaw or opus");
  settings.session.format.encoding = *encoding;
  return {};
}

Status set_language(LiveSettings& settings, const Value& value, const LiveOffer&) {
  const auto name = value.text();
  settings.session.language.reset();
  if (name && *name == "auto") return {};
  const text::Language* language = name ? text::find_language(*name) : nullptr;
  if (language == nullptr) return value.expected("auto or a code such as en, de, zh");
  settings.session.language.emplace(language->code);
  return {};
}

Status set_task(LiveSettings& settings, const Value& value, const LiveOffer&) {
  STENOD_ASSIGN_OR_RETURN(const bool translate, value.either("transcribe", "translate"));
  settings.session.task = translate ? whisper::Task::kTranslate : whisper::Task::kTranscribe;
  return {};
}

Status set_model(LiveSettings&, const Value& value, const LiveOffer& offer) {
  const auto name = value.text();
  if (name && *name == offer.model) return {};
  return Error{ErrorCode::kModelUnknown, fmt::format("this server serves {}", offer.model), "model"};
}

Status set_chunking(LiveSettings& settings, const Value& value, const LiveOffer&) {
  STENOD_ASSIGN_OR_RETURN(const bool fixed, value.either("vad", "fixed"));
  settings.session.chunking = fixed ? live::Chunking::kFixed : live::Chunking::kVad;
  return {};
}

Status set_format(LiveSettings& settings, const Value& value, const LiveOffer&) {
  return assign(settings.plain_text, value.either("json", "text"));
}

constexpr std::array<Setter, 19> kSetters = {{
    {"encoding", set_encoding},
    {"sample_rate", [](LiveSettings& s, const Value& v,
                       const LiveOffer&) { return assign(s.session.format.sample_rate, v.whole_number()); }},
    {"channels", [](LiveSettings& s, const Value& v,
                    const LiveOffer&) { return assign(s.session.format.num_channels, v.whole_number()); }},
    {"language", set_language},
    {"task", set_task},
    {"model", set_model},
    {"prompt", [](LiveSettings& s, const Value& v, const LiveOffer&) { return assign(s.session.prompt, v.text()); }},
    {"hotwords",
     [](LiveSettings& s, const Value& v, const LiveOffer&) { return assign(s.session.hotwords, v.text()); }},
    {"beam_size",
     [](LiveSettings& s, const Value& v, const LiveOffer&) { return assign(s.session.beam_size, v.whole_number()); }},
    {"words", [](LiveSettings& s, const Value& v, const LiveOffer&) { return assign(s.session.words, v.flag()); }},
    {"partial_interval_ms", [](LiveSettings& s, const Value& v,
                               const LiveOffer&) { return assign(s.session.partial_interval_ms, v.whole_number()); }},
    {"vad_threshold",
     [](LiveSettings& s, const Value& v, const LiveOffer&) { return assign(s.session.vad_threshold, v.number()); }},
    {"silence_ms",
     [](LiveSettings& s, const Value& v, const LiveOffer&) { return assign(s.session.silence_ms, v.whole_number()); }},
    {"min_speech_ms", [](LiveSettings& s, const Value& v,
                         const LiveOffer&) { return assign(s.session.min_speech_ms, v.whole_number()); }},
    {"chunking", set_chunking},
    {"chunk_s",
     [](LiveSettings& s, const Value& v, const LiveOffer&) { return assign(s.session.chunk_s, v.number()); }},
    {"overlap_s",
     [](LiveSettings& s, const Value& v, const LiveOffer&) { return assign(s.session.overlap_s, v.number()); }},
    {"format", set_format},
    {"full_transcript",
     [](LiveSettings& s, const Value& v, const LiveOffer&) { return assign(s.session.full_transcript, v.flag()); }},
}};

Status apply(LiveSettings& settings, const Value& value, const LiveOffer& offer) {
  const auto setter =
      std::find_if(kSetters.begin(), kSetters.end(), [&](const Setter& s) { return s.name == value.name(); });
  if (setter == kSetters.end()) {
    std::vector<std::string_view> names;
    for (const Setter& known : kSetters) names.push_back(known.name);
    const std::string name = text::to_valid_utf8(value.name().substr(0, 60));
    return invalid(fmt::format("unknown setting '{}', expected {}", name, fmt::join(names, ", ")), name);
  }
  return setter->apply(settings, value, offer);
}

Status check(const LiveSettings& settings, const LiveOffer& offer) {
  using Format = audio::StreamFormat;
  const Format& format = settings.session.format;
  if (format.sample_rate < Format::kMinSampleRate || format.sample_rate > Format::kMaxSampleRate) {
    return invalid(fmt::format("sample_rate is {}, expected {} to {}", format.sample_rate, Format::kMinSampleRate,
                               Format::kMaxSampleRate),
                   "sample_rate");
  }
  if (format.num_channels < 1 || format.num_channels > Format::kMaxChannels) {
    return invalid(fmt::format("channels is {}, expected 1 to {}", format.num_channels, Format::kMaxChannels),
                   "channels");
  }
  return live::check_settings(settings.session, offer.limits);
}

// ---------------------------------------------------------------------------------------------- JSON

std::string json_string(std::string_view text) { return json::serialize(json::string(text::to_valid_utf8(text))); }

/// Members of one object, in order, numbers with as many decimals as are meant.
class Object {
 public:
  explicit Object(std::string_view type) { string("type", type); }

  Object& string(std::string_view name, std::string_view value) { return literal(name, json_string(value)); }
  Object& number(std::string_view name, double value, int decimals = 3) {
    return literal(name, std::isfinite(value) ? fmt::format("{:.{}f}", value, decimals) : "null");
  }
  Object& integer(std::string_view name, std::int64_t value) { return literal(name, std::to_string(value)); }
  Object& flag(std::string_view name, bool value) { return literal(name, value ? "true" : "false"); }
  Object& literal(std::string_view name, std::string_view value) {
    if (!out_.empty()) out_ += ',';
    out_ += fmt::format("\"{}\":{}", name, value);
    return *this;
  }
  std::string text() const { return '{' + out_ + '}'; }

 private:
  friend std::string ledger_json(const live::LedgerTotals& totals);
  Object() = default;
  std::string out_;
};

std::string ledger_json(const live::LedgerTotals& totals) {
  Object dropped, object;
  for (const auto& [reason, frames] : totals.dropped) dropped.integer(reason, frames);
  object.integer("received", totals.received).integer("transcribed", totals.transcribed);
  return object.integer("silence", totals.silence).literal("dropped", dropped.text()).text();
}

std::string write(const live::Partial& partial, bool channels) {
  Object object("partial");
  if (channels) object.integer("channel", partial.channel);
  object.string("text", partial.text).string("stable", partial.stable);
  object.integer("utterance", partial.utterance).integer("revision", partial.revision);
  return object.number("start", partial.start).number("end", partial.end).text();
}

std::string write(const live::Final& message, bool channels) {
  Object object("final");
  if (channels) object.integer("channel", message.channel);
  object.string("text", message.text);
  if (!message.full_transcript.empty()) object.string("full_transcript", message.full_transcript);
  object.integer("utterance", message.utterance).number("start", message.start).number("end", message.end);
  object.string("language", message.language).number("language_probability", message.language_probability);
  if (!message.words.empty()) {
    std::string words;
    for (const text::Word& word : message.words) {
      if (!words.empty()) words += ',';
      words += fmt::format("{{\"word\":{},\"start\":{:.3f},\"end\":{:.3f},\"probability\":{:.3f}}}",
                           json_string(word.word), word.start, word.end, word.probability);
    }
    object.literal("words", '[' + words + ']');
  }
  object.number("avg_logprob", message.avg_logprob).number("no_speech_prob", message.no_speech_prob);
  return object.string("reason", live::reason_name(message.reason)).text();
}

std::string write(const live::Warning& warning, bool) { return warning_message(warning.code, warning.message); }

std::string write(const live::End& end, bool) {
  // Of several channels the sums, and each for itself.
  live::LedgerTotals sum;
  std::string channels;
  for (const live::LedgerTotals& totals : end.channels) {
    sum.received += totals.received;
    sum.transcribed += totals.transcribed;
    sum.silence += totals.silence;
    for (const auto& [reason, frames] : totals.dropped) sum.dropped[reason] += frames;
    if (!channels.empty()) channels += ',';
    channels += ledger_json(totals);
  }
  Object object("end");
  object.string("full_transcript", end.full_transcript).literal("audio", ledger_json(sum));
  if (end.channels.size() > 1) object.literal("channels", '[' + channels + ']');
  object.integer("not_finite", end.num_not_finite).integer("clipped", end.num_clipped);
  return object.string("reason", end.reason).text();
}

}  // namespace

Result<LiveSettings> settings_from_query(const Fields& query, const LiveOffer& offer) {
  LiveSettings settings{offer.defaults};
  std::set<std::string_view> seen;
  for (const auto& [name, text] : query) {
    if (!seen.insert(name).second) return invalid(fmt::format("{} is given twice", text::to_valid_utf8(name)), name);
    STENOD_RETURN_IF_ERROR(apply(settings, Value(name, text), offer));
  }
  STENOD_RETURN_IF_ERROR(check(settings, offer));
  return settings;
}

Result<ClientMessage> parse_client_message(std::string_view text, const LiveSettings& current, const LiveOffer& offer) {
  STENOD_ASSIGN_OR_RETURN(const json::value value, parse_json(text, 8));
  const json::object* object = value.if_object();
  const json::value* type = object == nullptr ? nullptr : object->if_contains("type");
  const json::string* name = type == nullptr ? nullptr : type->if_string();
  if (name == nullptr) {
    return Error{ErrorCode::kBadRequest, "a text message is a JSON object with a \"type\"", "type"};
  }
  const auto no_members = [&](ClientMessage message) -> Result<ClientMessage> {
    if (object->size() == 1) return message;
    return Error{ErrorCode::kBadRequest, fmt::format("a message of type '{}' has no other members", std::string(*name)),
                 "type"};
  };
  if (*name == "finalize") return no_members(FinalizeMessage{});
  if (*name == "end") return no_members(EndMessage{});
  if (*name == "ping") return ClientMessage(PingMessage{});
  if (*name == "start") {
    StartMessage start{current};
    for (const auto& member : *object) {
      if (member.key() == "type") continue;
      STENOD_RETURN_IF_ERROR(apply(start.settings, Value(member.key(), member.value()), offer));
    }
    STENOD_RETURN_IF_ERROR(check(start.settings, offer));
    return ClientMessage(std::move(start));
  }
  if (*name == "update") {
    LiveSettings updated = current;
    for (const auto& member : *object) {
      if (member.key() == "type") continue;
      if (member.key() != "language") {
        const std::string key = text::to_valid_utf8(std::string_view(member.key()).substr(0, 60));
        return invalid(fmt::format("'{}' can't be changed in mid-session, only language can", key), key);
      }
      STENOD_RETURN_IF_ERROR(apply(updated, Value(member.key(), member.value()), offer));
    }
    return ClientMessage(UpdateMessage{updated.session.language});
  }
  return Error{ErrorCode::kBadRequest,
               fmt::format("unknown message type '{}', expected start, update, finalize, end or ping",
                           text::to_valid_utf8(std::string_view(*name).substr(0, 60))),
               "type"};
}

std::string ready_message(const std::string& session_id, const LiveSettings& settings, const LiveOffer& offer) {
  const live::SessionSettings& session = settings.session;
  Object object("ready");
  object.string("session_id", session_id).string("model", offer.model);
  object.string("encoding", audio::stream_encoding_name(session.format.encoding));
  object.integer("sample_rate", session.format.sample_rate).integer("channels", session.format.num_channels);
  object.string("language", session.language.value_or("auto"));
  object.string("task", session.task == whisper::Task::kTranslate ? "translate" : "transcribe");
  object.string("prompt", session.prompt).string("hotwords", session.hotwords);
  object.integer("beam_size", session.beam_size).flag("words", session.words);
  object.integer("partial_interval_ms", session.partial_interval_ms).number("vad_threshold", session.vad_threshold);
  object.integer("silence_ms", session.silence_ms).integer("min_speech_ms", session.min_speech_ms);
  object.string("chunking", session.chunking == live::Chunking::kFixed ? "fixed" : "vad");
  object.number("chunk_s", session.chunk_s).number("overlap_s", session.overlap_s);
  object.string("format", settings.plain_text ? "text" : "json");
  return object.flag("full_transcript", session.full_transcript).text();
}

std::string error_message(const Error& error) {
  Object object("error");
  object.string("code", error_name(error.code)).string("message", error.message);
  if (!error.param.empty()) object.string("param", error.param);
  return object.text();
}

std::string warning_message(std::string_view code, std::string_view message) {
  return Object("warning").string("code", code).string("message", message).text();
}

std::string pong_message() { return Object("pong").text(); }

std::string event_message(const live::Event& event, bool channels) {
  return std::visit([&](const auto& of) { return write(of, channels); }, event);
}

}  // namespace stenod::api
