// A client that does anything, and an engine that answers as it likes: whatever comes, the session ends, once, and its
// accounts cover the stream.
#include <spdlog/sinks/base_sink.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/live_service.h"
#include "api/testing/live_client.h"
#include "base/json.h"
#include "base/log.h"
#include "live/testing/spoken_numbers.h"
#include "text/utf8.h"

namespace {

using namespace stenod;
using namespace stenod::api;
using api::testing::LiveClient;
using live::testing::NumberModel;

constexpr int kMaxSteps = 60;
constexpr std::size_t kMaxAudioBytes = 1 << 20;
/// Twenty messages that are not understood, and that they were too many.
constexpr int kMaxErrors = 21;

void check(bool condition) {
  if (!condition) std::abort();
}

/// The log's errors are defects of the program: a ledger that is wrong is one.
class NoErrors : public spdlog::sinks::base_sink<std::mutex> {
  void sink_it_(const spdlog::details::log_msg& message) override { check(message.level < spdlog::level::err); }
  void flush_() override {}
};

class Bytes {
 public:
  explicit Bytes(std::span<const std::uint8_t> bytes) : rest_(bytes) {}
  bool empty() const { return rest_.empty(); }
  int next() {
    if (rest_.empty()) return 0;
    const int byte = rest_.front();
    rest_ = rest_.subspan(1);
    return byte;
  }
  std::span<const std::byte> take(int size) {
    const auto taken = rest_.first(std::min(rest_.size(), static_cast<std::size_t>(size)));
    rest_ = rest_.subspan(taken.size());
    return std::as_bytes(taken);
  }

 private:
  std::span<const std::uint8_t> rest_;
};

std::int64_t integer(const json::object& object, const char* name) { return object.at(name).as_int64(); }
std::string string(const json::object& object, const char* name) { return std::string(object.at(name).as_string()); }

/// Each frame once. Returns how many there were.
std::int64_t check_ledger(const json::object& ledger) {
  std::int64_t sum = integer(ledger, "transcribed") + integer(ledger, "silence");
  check(integer(ledger, "transcribed") >= 0 && integer(ledger, "silence") >= 0);
  for (const auto& dropped : ledger.at("dropped").as_object()) {
    check(dropped.value().as_int64() >= 0);
    sum += dropped.value().as_int64();
  }
  check(integer(ledger, "received") == sum);
  return sum;
}

/// Reads all that a client was told, in order. `is_vad`: utterances do not overlap, and promises are kept.
void check_messages(const std::vector<std::string>& messages, bool is_vad) {
  int num_errors = 0;
  bool is_over = false;
  std::map<std::int64_t, std::string> promised;
  std::map<std::int64_t, std::int64_t> revisions;
  std::map<std::int64_t, bool> is_final;
  std::int64_t num_channels = 0;
  for (const std::string& message : messages) {
    check(!is_over && text::to_valid_utf8(message) == message);
    const auto parsed = parse_json(message);
    check(parsed.ok() && parsed->is_object());
    const json::object& object = parsed->as_object();
    const std::string type = string(object, "type");
    if (type == "ready") {
      num_channels = integer(object, "channels");
    } else if (type == "partial" || type == "final") {
      const std::string text = string(object, "text");
      const std::int64_t utterance = integer(object, "utterance");
      check(!text.empty() && !is_final[utterance]);
      check(object.at("start").to_number<double>() <= object.at("end").to_number<double>());
      check(object.contains("channel") == (num_channels > 1));
      if (is_vad) check(text.starts_with(promised[utterance]));
      if (type == "final") {
        is_final[utterance] = true;
      } else {
        promised[utterance] = string(object, "stable");
        if (is_vad) check(text.starts_with(promised[utterance]));
        check(integer(object, "revision") == ++revisions[utterance]);
      }
    } else if (type == "error") {
      ++num_errors;
      check(!string(object, "code").empty() && !string(object, "message").empty() && message.size() < 2000);
    } else if (type == "end") {
      is_over = true;
      const std::int64_t sum = check_ledger(object.at("audio").as_object());
      if (const json::value* channels = object.if_contains("channels")) {
        std::int64_t of_channels = 0;
        for (const json::value& channel : channels->as_array()) of_channels += check_ledger(channel.as_object());
        check(of_channels == sum);
      }
    } else {
      check(type == "warning" || type == "pong");
    }
  }
  check(num_errors <= kMaxErrors);
}

class Script {
 public:
  explicit Script(std::span<const std::uint8_t> bytes) : bytes_(bytes) {
    const int kind = bytes_.next();
    model_.holds_answers = kind % 2 == 0;
    engine_fails_ = kind / 2 % 4 == 0;
    is_plain_ = kind / 8 % 8 == 0;
    is_vad_ = kind / 64 % 4 != 0;
    chance_ = static_cast<std::uint32_t>(bytes_.next());
    model_.answer_of = [this](const engine::Request&) {
      chance_ = chance_ * 1664525 + 1013904223;
      const bool fails = engine_fails_ && !is_concluding_ && chance_ >> 30 == 0;
      return fails ? static_cast<NumberModel::Answer>(1 + (chance_ >> 20) % 3) : NumberModel::Answer::kText;
    };
    static constexpr const char* kEncodings[] = {"s16le", "f32le", "auto", "mulaw", "alaw", "opus", "wrong"};
    encoding_ = kEncodings[std::min<std::size_t>(static_cast<std::size_t>(bytes_.next()) % 16, 6)];
    if (bytes_.next() % 8 != 0 && encoding_ == "wrong") encoding_ = "s16le";
    num_channels_ = 1 + static_cast<std::size_t>(bytes_.next()) % 3;
    request_.query = {{"encoding", encoding_},
                      {"channels", std::to_string(num_channels_)},
                      {"chunking", is_vad_ ? "vad" : "fixed"},
                      {"format", is_plain_ ? "text" : "json"},
                      {"words", bytes_.next() % 2 == 0 ? "true" : "false"},
                      {"silence_ms", std::to_string(100 + 10 * bytes_.next())},
                      {"min_speech_ms", std::to_string(2 * bytes_.next())},
                      {"partial_interval_ms", std::to_string(std::max(100, 8 * bytes_.next()))}};
  }

  void run() {
    LiveClient client(service_, request_);
    for (int step = 0; step < kMaxSteps && !bytes_.empty(); ++step) {
      take_step(client);
      const int num_unanswered = client.peer->num_reads - num_delivered_;
      check(num_unanswered == 0 || num_unanswered == 1);
    }
    conclude(client);
    check(client.peer->num_after_close == 0);
    if (is_plain_) {
      for (const std::string& text : client.peer->sent) check(text::to_valid_utf8(text) == text);
    } else {
      check_messages(client.peer->sent, is_vad_);
    }
    check(service_.sessions().empty());
    const LiveCounters counters = service_.counters();
    std::uint64_t num_ended = 0;
    for (const auto& [reason, count] : counters.ended) num_ended += count;
    const bool is_refused = encoding_ == "wrong" || (encoding_ == "opus" && num_channels_ > 2);
    check(counters.opened == 1 && num_ended == (is_refused ? 0 : 1));
  }

 private:
  void take_step(LiveClient& client) {
    switch (bytes_.next() % 12) {
      case 0: {
        const auto raw = bytes_.take(bytes_.next());
        insist(client, text::to_valid_utf8({reinterpret_cast<const char*>(raw.data()), raw.size()}));
        break;
      }
      case 1: {
        static constexpr const char* kMessages[] = {R"({"type":"finalize"})",
                                                    R"({"type":"ping"})",
                                                    R"({"type":"start"})",
                                                    R"({"type":"start","language":"de","words":true})",
                                                    R"({"type":"update","language":"de"})",
                                                    R"({"type":"update","language":"auto"})",
                                                    R"({"type":"update","language":"fr"})",
                                                    R"({"type":"end"})"};
        insist(client, kMessages[static_cast<std::size_t>(bytes_.next()) % std::size(kMessages)]);
        break;
      }
      case 2:
        insist(client, R"({"type":"start","sample_rate":)" + std::to_string(8000 + 160 * bytes_.next()) + '}');
        break;
      case 3:
        send(client, bytes_.take(bytes_.next()));
        break;
      case 4: {
        const auto pattern = bytes_.take(1 + bytes_.next() % 16);
        std::vector<std::byte> message;
        for (int i = 64 * bytes_.next(); i > 0; --i) message.insert(message.end(), pattern.begin(), pattern.end());
        send(client, message);
        break;
      }
      case 5:
      case 6:
      case 7:
        speak(client);
        break;
      case 8:
        now_ += std::chrono::milliseconds(20 * bytes_.next());
        client.tick(now_);
        break;
      case 9:
        for (int i = bytes_.next() % 8, index = bytes_.next() % 4; i > 0; --i) {
          model_.release(static_cast<std::size_t>(index));
          client.settle();
        }
        break;
      case 10: {
        const int what = bytes_.next();
        if (what % 8 == 0) client.shut_down(now_ + std::chrono::seconds(what / 8));
        if (what % 8 == 1) client.leave();
        if (what % 8 == 2) now_ += std::chrono::minutes(what / 8);
        break;
      }
      default:
        break;
    }
  }

  /// Some numbers and a pause, in every channel the same.
  void speak(LiveClient& client) {
    std::vector<std::int16_t> samples;
    const int first = bytes_.next();
    for (int i = bytes_.next() % 8; i >= 0; --i) live::testing::say(samples, (first + i) % live::testing::kNumNumbers);
    live::testing::pause(samples, 0.05 * (bytes_.next() % 32));
    std::vector<std::byte> message;
    for (const std::int16_t sample : samples) {
      std::byte bytes[4];
      const float value = static_cast<float>(sample) / 32768;
      const bool is_short = encoding_ == "s16le";
      is_short ? std::memcpy(bytes, &sample, 2) : std::memcpy(bytes, &value, 4);
      for (std::size_t c = 0; c < num_channels_; ++c) message.insert(message.end(), bytes, bytes + (is_short ? 2 : 4));
    }
    send(client, message);
  }

  /// Now and then so often that it is too often.
  void insist(LiveClient& client, const std::string& message) {
    for (int i = bytes_.next() % 4 == 0 ? 32 : 1; i > 0; --i) say_text(client, message);
  }
  void say_text(LiveClient& client, const std::string& message) { num_delivered_ += client.send(message) ? 1 : 0; }
  void send(LiveClient& client, std::span<const std::byte> message) {
    num_bytes_ += message.size();
    if (num_bytes_ < kMaxAudioBytes) num_delivered_ += client.send(message) ? 1 : 0;
  }

  /// The client ends the session or leaves, and the engine does its work: it must be over then.
  void conclude(LiveClient& client) {
    is_concluding_ = true;
    const bool ends = bytes_.next() % 4 != 0;
    for (int i = 0; i < 300 && ends && client.is_open() && !client.peer->closed; ++i) {
      say_text(client, R"({"type":"end"})");
      model_.release();
      client.tick(now_);
    }
    check(!ends || client.peer->closed || !client.is_open());
    client.leave();
    while (model_.release()) client.settle();
  }

  Bytes bytes_;
  NumberModel model_;
  bool engine_fails_ = false, is_concluding_ = false;
  bool is_plain_ = false, is_vad_ = true;
  std::uint32_t chance_ = 0;
  std::string encoding_;
  std::size_t num_channels_ = 1;
  HttpRequest request_;
  LiveService service_{model_.model(), nullptr, nullptr, {}};
  LiveClient::Clock::time_point now_ = LiveClient::Clock::now();
  std::size_t num_bytes_ = 0;
  int num_delivered_ = 0;
};

}  // namespace

/// Some bytes choose settings and the engine's temper, the rest is what happens, step by step.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  [[maybe_unused]] static const bool is_set_up = [] {
    log::set_default_logger(std::make_shared<log::logger>("fuzz", std::make_shared<NoErrors>()));
    return true;
  }();
  Script({data, size}).run();
  return 0;
}
