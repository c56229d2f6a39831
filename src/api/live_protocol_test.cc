#include "api/live_protocol.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>

#include "base/json.h"
#include "text/utf8.h"

namespace stenod::api {
namespace {

template <typename T>
std::string outcome(const Result<T>& result) {
  if (result) return "ok";
  EXPECT_FALSE(result.error().message.empty());
  return std::string(error_name(result.error().code)) + ' ' + result.error().param;
}

std::string from_query(const Fields& query, const LiveOffer& offer = {}) {
  return outcome(settings_from_query(query, offer));
}
std::string from_client(std::string_view text, const LiveSettings& current = {}, const LiveOffer& offer = {}) {
  return outcome(parse_client_message(text, current, offer));
}
/// As a member of a start message; `json`: its value.
std::string start(const std::string& name, const std::string& json) {
  return R"({"type":"start",")" + name + "\":" + json + '}';
}

// ---------------------------------------------------------------------------------------------- settings

struct Case {
  const char* name;
  const char* text;  ///< in a query
  const char* json;  ///< in a message
  std::function<bool(const LiveSettings&)> is_set;
};

TEST(LiveSettings, EachIsUnderstoodInTheAddressAndInAMessage) {
  using audio::StreamEncoding;
  const Case cases[] = {
      {"encoding", "f32le", R"("f32le")",
       [](auto& s) { return s.session.format.encoding == StreamEncoding::kFloat32; }},
      {"encoding", "s16le", R"("s16le")", [](auto& s) { return s.session.format.encoding == StreamEncoding::kInt16; }},
      {"encoding", "mulaw", R"("mulaw")", [](auto& s) { return s.session.format.encoding == StreamEncoding::kMuLaw; }},
      {"encoding", "alaw", R"("alaw")", [](auto& s) { return s.session.format.encoding == StreamEncoding::kALaw; }},
      {"encoding", "opus", R"("opus")", [](auto& s) { return s.session.format.encoding == StreamEncoding::kOpus; }},
      {"sample_rate", "8000", "8000", [](auto& s) { return s.session.format.sample_rate == 8000; }},
      {"sample_rate", "48000", "48000", [](auto& s) { return s.session.format.sample_rate == 48000; }},
      {"channels", "8", "8", [](auto& s) { return s.session.format.num_channels == 8; }},
      {"language", "de", R"("de")", [](auto& s) { return s.session.language == "de"; }},
      {"language", "DE", R"("German")", [](auto& s) { return s.session.language == "de"; }},
      {"task", "translate", R"("translate")", [](auto& s) { return s.session.task == whisper::Task::kTranslate; }},
      {"words", "true", "true", [](auto& s) { return s.session.words; }},
      {"words", "1", "true", [](auto& s) { return s.session.words; }},
      {"partial_interval_ms", "0", "0", [](auto& s) { return s.session.partial_interval_ms == 0; }},
      {"partial_interval_ms", "100", "100", [](auto& s) { return s.session.partial_interval_ms == 100; }},
      {"partial_interval_ms", "10000", "10000", [](auto& s) { return s.session.partial_interval_ms == 10000; }},
      {"vad_threshold", "0.05", "0.05", [](auto& s) { return s.session.vad_threshold == 0.05; }},
      {"vad_threshold", "0.95", "0.95", [](auto& s) { return s.session.vad_threshold == 0.95; }},
      {"silence_ms", "100", "100", [](auto& s) { return s.session.silence_ms == 100; }},
      {"silence_ms", "5e3", "5000.0", [](auto& s) { return s.session.silence_ms == 5000; }},
      {"min_speech_ms", "0", "0", [](auto& s) { return s.session.min_speech_ms == 0; }},
      {"min_speech_ms", "5000", "5000", [](auto& s) { return s.session.min_speech_ms == 5000; }},
      {"chunking", "fixed", R"("fixed")", [](auto& s) { return s.session.chunking == live::Chunking::kFixed; }},
      {"chunk_s", "1", "1", [](auto& s) { return s.session.chunk_s == 1; }},
      {"chunk_s", "25", "25", [](auto& s) { return s.session.chunk_s == 25; }},
      {"overlap_s", "0", "0", [](auto& s) { return s.session.overlap_s == 0; }},
      {"overlap_s", "1.5", "1.5", [](auto& s) { return s.session.overlap_s == 1.5; }},
      {"format", "text", R"("text")", [](auto& s) { return s.plain_text; }},
      {"full_transcript", "false", "false", [](auto& s) { return !s.session.full_transcript; }},
      {"full_transcript", "0", "false", [](auto& s) { return !s.session.full_transcript; }},
  };
  for (const Case& one : cases) {
    EXPECT_TRUE(one.name == std::string_view("overlap_s") || one.name == std::string_view("chunk_s") ||
                !one.is_set(LiveSettings{}))
        << one.name << " has that value anyway";
    const auto queried = settings_from_query({{one.name, one.text}}, {});
    ASSERT_TRUE(queried) << one.name << ' ' << queried.error().message;
    EXPECT_TRUE(one.is_set(*queried)) << one.name << '=' << one.text;
    const auto message = parse_client_message(start(one.name, one.json), {}, {});
    ASSERT_TRUE(message) << one.name << ' ' << message.error().message;
    ASSERT_TRUE(std::holds_alternative<StartMessage>(*message));
    EXPECT_TRUE(one.is_set(std::get<StartMessage>(*message).settings)) << start(one.name, one.json);
  }
}

TEST(LiveSettings, DefaultsMayBeNamed) {
  const Fields query = {{"encoding", "auto"},
                        {"sample_rate", "16000"},
                        {"channels", "1"},
                        {"language", "auto"},
                        {"task", "transcribe"},
                        {"model", "base"},
                        {"prompt", ""},
                        {"hotwords", ""},
                        {"beam_size", "1"},
                        {"words", "false"},
                        {"vad_threshold", "0.5"},
                        {"silence_ms", "500"},
                        {"partial_interval_ms", "1000"},
                        {"min_speech_ms", "300"},
                        {"chunking", "vad"},
                        {"chunk_s", "3"},
                        {"overlap_s", "0.5"},
                        {"format", "json"},
                        {"full_transcript", "true"}};
  const auto named = settings_from_query(query, {});
  ASSERT_TRUE(named) << named.error().message;
  EXPECT_EQ(ready_message("x", *named, {}), ready_message("x", LiveSettings{}, {}));
  EXPECT_EQ(from_query({}), "ok");
}

TEST(LiveSettings, WhatIsWrongInTheAddressIsNamed) {
  const std::pair<const char*, std::vector<const char*>> wrong[] = {
      {"encoding", {"", "mp3", "S16LE"}},
      {"sample_rate",
       {"", "7999", "48001", "16000.5", "16000 Hz", "0x3e80", " 16000", "nan", "inf", "1e300", "-16000"}},
      {"channels", {"0", "9", "-1", "1.5", "two"}},
      {"language", {"", "tlh", "auto ", "en-US"}},
      {"task", {"", "summarise", "Translate"}},
      {"beam_size", {"", "0", "-3", "1.5"}},
      {"words", {"", "yes", "TRUE", "2"}},
      {"partial_interval_ms", {"", "-1", "99", "10001", "100.5"}},
      {"vad_threshold", {"", "0.049", "0.951", "nan", "-inf", "half", "0.5x"}},
      {"silence_ms", {"", "99", "5001", "1e10", "nan"}},
      {"min_speech_ms", {"", "-1", "5001"}},
      {"chunking", {"", "none", "VAD"}},
      {"chunk_s", {"", "0.999", "25.001", "nan", "1e400"}},
      {"overlap_s", {"", "-0.001", "1.501", "nan"}},
      {"format", {"", "xml", "JSON"}},
      {"full_transcript", {"", "no"}},
  };
  for (const auto& [name, values] : wrong) {
    for (const char* value : values) {
      EXPECT_EQ(from_query({{name, value}}), std::string("invalid_argument ") + name) << '\'' << value << '\'';
    }
  }
}

TEST(LiveSettings, AWholeNumberIsOneBeforeItIsConverted) {
  for (const char* value : {"1e10", "-1e300", "nan", "inf", "0.5"}) {
    const auto settings = settings_from_query({{"silence_ms", value}}, {});
    EXPECT_EQ(settings.error().message, std::string("silence_ms is '") + value + "', expected a whole number");
  }
}

TEST(LiveSettings, InAMessageTheyHaveTheirTypes) {
  const std::pair<const char*, std::vector<const char*>> wrong[] = {
      {"encoding", {"1", "null", R"("mp3")"}},
      {"sample_rate", {R"("16000")", "true", "null", "7999", "48001", "16000.5", "1e300", "[16000]"}},
      {"channels", {"0", "9", "18446744073709551615"}},
      {"language", {"null", "1", R"("tlh")", R"(["en"])"}},
      {"task", {"true", R"("")"}},
      {"prompt", {"null", "1"}},
      {"hotwords", {"[]"}},
      {"beam_size", {R"("1")", "0", "true"}},
      {"words", {"1", R"("true")", "null"}},
      {"partial_interval_ms", {"false", "99", "-0.5"}},
      {"vad_threshold", {"0", "1", R"("0.5")"}},
      {"silence_ms", {"99", "{}"}},
      {"min_speech_ms", {"-1"}},
      {"chunking", {"1"}},
      {"chunk_s", {"0", "25.5", "null"}},
      {"overlap_s", {"-1", "2"}},
      {"format", {"true"}},
      {"full_transcript", {"0"}},
  };
  for (const auto& [name, values] : wrong) {
    for (const char* value : values) {
      EXPECT_EQ(from_client(start(name, value)), std::string("invalid_argument ") + name) << value;
    }
  }
}

TEST(LiveSettings, PromptsAndBeamsAreTaken) {
  const auto settings =
      settings_from_query({{"prompt", "Dear Ms Ng,"}, {"hotwords", "stenod, Ng"}, {"beam_size", "5"}}, {});
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->session.prompt, "Dear Ms Ng,");
  EXPECT_EQ(settings->session.hotwords, "stenod, Ng");
  EXPECT_EQ(settings->session.beam_size, 5);
  EXPECT_EQ(from_query({{"beam_size", "6"}}), "invalid_argument beam_size");
  EXPECT_EQ(from_query({{"prompt", std::string(2001, 'x')}}), "invalid_argument prompt");
  EXPECT_EQ(from_client(start("hotwords", ('"' + std::string(2001, 'x') + '"').c_str())), "invalid_argument hotwords");
}

TEST(LiveSettings, AnotherModelThanTheOneServedIsUnknown) {
  LiveOffer offer;
  offer.model = "small";
  EXPECT_EQ(from_query({{"model", "small"}}, offer), "ok");
  EXPECT_EQ(from_query({{"model", "base"}}, offer), "model_unknown model");
  EXPECT_EQ(from_client(R"({"type":"start","model":"base"})", {}, offer), "model_unknown model");
  EXPECT_EQ(from_client(R"({"type":"start","model":null})", {}, offer), "model_unknown model");
}

TEST(LiveSettings, UnknownOnesAreNamedAsFarAsTheyAreShort) {
  EXPECT_EQ(from_query({{"speed", "2"}}), "invalid_argument speed");
  EXPECT_EQ(from_query({{"", ""}}), "invalid_argument ");
  EXPECT_EQ(from_query({{"Words", "true"}}), "invalid_argument Words");
  EXPECT_EQ(from_client(start("speed", "2")), "invalid_argument speed");
  EXPECT_EQ(from_query({{"\xff", ""}}), "invalid_argument \xEF\xBF\xBD");
  const std::string long_name(100000, 'x');
  for (const auto& error :
       {settings_from_query({{long_name, ""}}, {}).error(), parse_client_message(start(long_name, "2"), {}, {}).error(),
        parse_client_message(R"({"type":"update",")" + long_name + R"(":1})", {}, {}).error()}) {
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
    EXPECT_LT(error.param.size(), 100u);
    EXPECT_LT(error.message.size(), 1000u);
  }
  const auto long_value = settings_from_query({{"task", long_name}}, {});
  EXPECT_LT(long_value.error().message.size(), 200u);
}

TEST(LiveSettings, GivenTwiceIsAnError) {
  EXPECT_EQ(from_query({{"words", "true"}, {"words", "true"}}), "invalid_argument words");
  EXPECT_EQ(from_query({{"words", "true"}, {"task", "translate"}, {"words", "false"}}), "invalid_argument words");
}

TEST(LiveSettings, DefaultsAndLimitsAreTheServers) {
  LiveOffer offer;
  offer.defaults.silence_ms = 800;
  offer.defaults.words = true;
  offer.limits.min_silence_ms = 700;
  const auto settings = settings_from_query({{"task", "translate"}}, offer);
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->session.silence_ms, 800);
  EXPECT_TRUE(settings->session.words);
  EXPECT_EQ(from_query({{"silence_ms", "699"}}, offer), "invalid_argument silence_ms");
  EXPECT_EQ(from_query({{"silence_ms", "700"}}, offer), "ok");
}

TEST(LiveSettings, TheOverlapIsJudgedByTheLengthOfThePiecesWhereverBothCome) {
  EXPECT_EQ(from_query({{"overlap_s", "2"}, {"chunk_s", "4"}}), "ok");
  EXPECT_EQ(from_query({{"overlap_s", "2"}, {"chunk_s", "3.9"}}), "invalid_argument overlap_s");
}

// ---------------------------------------------------------------------------------------------- from the client

TEST(ClientMessage, StartChangesWhatItNames) {
  LiveSettings current;
  current.session.language = "de";
  current.session.silence_ms = 700;
  const auto message = parse_client_message(R"({"silence_ms":900,"type":"start","language":"auto"})", current, {});
  ASSERT_TRUE(message);
  const LiveSettings& settings = std::get<StartMessage>(*message).settings;
  EXPECT_EQ(settings.session.silence_ms, 900);
  EXPECT_EQ(settings.session.language, std::nullopt);
  const auto bare = parse_client_message(R"({"type":"start"})", current, {});
  ASSERT_TRUE(bare);
  EXPECT_EQ(std::get<StartMessage>(*bare).settings.session.silence_ms, 700);
  EXPECT_EQ(std::get<StartMessage>(*bare).settings.session.language, "de");
}

TEST(ClientMessage, UpdateChangesTheLanguageAlone) {
  const auto to = parse_client_message(R"({"type":"update","language":"de"})", {}, {});
  ASSERT_TRUE(to);
  EXPECT_EQ(std::get<UpdateMessage>(*to).language, "de");
  LiveSettings current;
  current.session.language = "de";
  EXPECT_EQ(std::get<UpdateMessage>(*parse_client_message(R"({"type":"update"})", current, {})).language, "de");
  EXPECT_EQ(
      std::get<UpdateMessage>(*parse_client_message(R"({"type":"update","language":"auto"})", current, {})).language,
      std::nullopt);
  EXPECT_EQ(from_client(R"({"type":"update","language":"tlh"})"), "invalid_argument language");
  EXPECT_EQ(from_client(R"({"type":"update","silence_ms":500})"), "invalid_argument silence_ms");
  EXPECT_EQ(from_client(R"({"type":"update","x":500})"), "invalid_argument x");
}

TEST(ClientMessage, Commands) {
  const auto is = [](const char* text, auto kind) {
    const auto message = parse_client_message(text, {}, {});
    return message.ok() && std::holds_alternative<decltype(kind)>(*message);
  };
  EXPECT_TRUE(is(R"({"type":"finalize"})", FinalizeMessage{}));
  EXPECT_TRUE(is(R"({"type":"end"})", EndMessage{}));
  EXPECT_TRUE(is(R"({"type":"ping"})", PingMessage{}));
  EXPECT_TRUE(is(R"( { "type" : "ping", "id": 7 } )", PingMessage{}));
  EXPECT_EQ(from_client(R"({"type":"finalize","now":true})"), "bad_request type");
  EXPECT_EQ(from_client(R"({"type":"end","reason":"x"})"), "bad_request type");
}

TEST(ClientMessage, WhatIsNoMessage) {
  for (const char* text : {"", " ", "hello", "{", R"({"type":"ping"}x)", R"({'type':'ping'})", R"({"type":"ping",})",
                           "{\"type\":\"\xff\"}", R"({"type":"ping","x":[[[[[[[[[1]]]]]]]]]})"}) {
    EXPECT_EQ(from_client(text), "json_malformed ") << text;
  }
  for (const char* text :
       {"null", "1", "[]", R"("ping")", "{}", R"({"Type":"ping"})", R"({"type":1})", R"({"type":null})",
        R"({"type":["ping"]})", R"({"type":""})", R"({"type":"PING"})", R"({"type":"partial"})"}) {
    EXPECT_EQ(from_client(text), "bad_request type") << text;
  }
  const auto long_type = parse_client_message(R"({"type":")" + std::string(100000, 'x') + "\"}", {}, {});
  EXPECT_LT(long_type.error().message.size(), 200u);
  const std::string deep = std::string(1000000, '[');
  EXPECT_EQ(from_client(deep), "json_malformed ");
}

// ---------------------------------------------------------------------------------------------- from the server

TEST(ServerMessage, ReadySaysAllThatIsInForce) {
  LiveOffer offer;
  offer.model = "tiny.en";
  EXPECT_EQ(ready_message("8c1f", {}, offer),
            R"({"type":"ready","session_id":"8c1f","model":"tiny.en","encoding":"auto","sample_rate":16000,)"
            R"("channels":1,"language":"auto","task":"transcribe","prompt":"","hotwords":"","beam_size":1,)"
            R"("words":false,"partial_interval_ms":1000,"vad_threshold":0.500,"silence_ms":500,"min_speech_ms":300,)"
            R"("chunking":"vad","chunk_s":3.000,"overlap_s":0.500,"format":"json","full_transcript":true})");
  const auto settings = settings_from_query({{"encoding", "mulaw"},
                                             {"sample_rate", "8000"},
                                             {"channels", "2"},
                                             {"language", "de"},
                                             {"task", "translate"},
                                             {"words", "1"},
                                             {"partial_interval_ms", "0"},
                                             {"vad_threshold", "0.35"},
                                             {"silence_ms", "700"},
                                             {"min_speech_ms", "100"},
                                             {"chunking", "fixed"},
                                             {"chunk_s", "4.5"},
                                             {"overlap_s", "1"},
                                             {"format", "text"},
                                             {"full_transcript", "0"}},
                                            {});
  ASSERT_TRUE(settings);
  EXPECT_EQ(ready_message("8c1f", *settings, {}),
            R"({"type":"ready","session_id":"8c1f","model":"base","encoding":"mulaw","sample_rate":8000,)"
            R"("channels":2,"language":"de","task":"translate","prompt":"","hotwords":"","beam_size":1,)"
            R"("words":true,"partial_interval_ms":0,"vad_threshold":0.350,"silence_ms":700,"min_speech_ms":100,)"
            R"("chunking":"fixed","chunk_s":4.500,"overlap_s":1.000,"format":"text","full_transcript":false})");
}

// The settings of docs/protocol.md are those that `ready` reports, and a start message may send all of them back.
TEST(ServerMessage, ReadyHasTheSettingsOfTheDocument) {
  std::ifstream file(STENOD_SOURCE_DIR "/docs/protocol.md");
  const std::string document{std::istreambuf_iterator<char>(file), {}};
  const auto begin = document.find("| setting |"), end = document.find("\n\n", begin);
  ASSERT_NE(begin, std::string::npos);
  const std::string table = document.substr(begin, end - begin);
  json::object ready = parse_json(ready_message("x", {}, {}))->as_object();
  EXPECT_EQ(ready["type"].as_string(), "ready");
  ready["type"] = "start";
  ready.erase("session_id");
  for (const auto& member : ready) {
    const std::string name(member.key());
    EXPECT_TRUE(name == "type" || table.find('`' + name + '`') != std::string::npos) << name << " is not documented";
  }
  int num_documented = 0;
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `")) continue;
    std::istringstream names(line.substr(2, line.find('|', 2) - 2));
    for (std::string name, between; std::getline(names, between, '`') && std::getline(names, name, '`');) {
      ++num_documented;
      EXPECT_TRUE(ready.contains(name)) << name << " is not reported";
    }
  }
  EXPECT_GE(num_documented, 17);
  EXPECT_EQ(from_client(json::serialize(ready)), "ok");
}

TEST(ServerMessage, Errors) {
  EXPECT_EQ(error_message({ErrorCode::kBadRequest, "say \"what\""}),
            R"({"type":"error","code":"bad_request","message":"say \"what\""})");
  EXPECT_EQ(error_message({ErrorCode::kInvalidArgument, "no", "task"}),
            R"({"type":"error","code":"invalid_argument","message":"no","param":"task"})");
  const std::string ill_formed = error_message({ErrorCode::kInvalidArgument, "\xff\n", "\xc3"});
  EXPECT_EQ(ill_formed, text::to_valid_utf8(ill_formed));
  EXPECT_TRUE(parse_json(ill_formed));
}

TEST(ServerMessage, WarningsAndPong) {
  EXPECT_EQ(warning_message("session_limit", "soon"), R"({"type":"warning","code":"session_limit","message":"soon"})");
  EXPECT_EQ(event_message(live::Warning{"internal", "x"}, true),
            R"({"type":"warning","code":"internal","message":"x"})");
  EXPECT_EQ(pong_message(), R"({"type":"pong"})");
}

TEST(ServerMessage, Partials) {
  const live::Partial partial{1, "And so \"my\"", "And so", 3, 2, 0.3204, 0.9286};
  EXPECT_EQ(event_message(partial, false),
            R"({"type":"partial","text":"And so \"my\"","stable":"And so","utterance":3,"revision":2,)"
            R"("start":0.320,"end":0.929})");
  EXPECT_EQ(event_message(partial, true),
            R"({"type":"partial","channel":1,"text":"And so \"my\"","stable":"And so","utterance":3,"revision":2,)"
            R"("start":0.320,"end":0.929})");
}

TEST(ServerMessage, Finals) {
  live::Final message;
  message.text = "And so,";
  message.utterance = 1;
  message.start = 0.32;
  message.end = 3600.5;
  message.language = "en";
  message.language_probability = 0.98765f;
  message.avg_logprob = -0.25f;
  message.no_speech_prob = 0.5f;
  EXPECT_EQ(event_message(message, false),
            R"({"type":"final","text":"And so,","utterance":1,"start":0.320,"end":3600.500,"language":"en",)"
            R"("language_probability":0.988,"avg_logprob":-0.250,"no_speech_prob":0.500,"reason":"silence"})");
  message.channel = 2;
  message.full_transcript = "Well. And so,";
  message.words = {{" And", 0.32, 0.5, 0.75f}, {" so,", 0.5, 0.71, 1}};
  message.reason = live::FinalReason::kLength;
  EXPECT_EQ(event_message(message, true),
            R"({"type":"final","channel":2,"text":"And so,","full_transcript":"Well. And so,","utterance":1,)"
            R"("start":0.320,"end":3600.500,"language":"en","language_probability":0.988,)"
            R"("words":[{"word":" And","start":0.320,"end":0.500,"probability":0.750},)"
            R"({"word":" so,","start":0.500,"end":0.710,"probability":1.000}],)"
            R"("avg_logprob":-0.250,"no_speech_prob":0.500,"reason":"length"})");
}

TEST(ServerMessage, ReasonsAreThoseOfTheDocument) {
  using live::FinalReason;
  const std::pair<FinalReason, const char*> reasons[] = {
      {FinalReason::kSilence, "silence"},   {FinalReason::kLength, "length"},   {FinalReason::kChunk, "chunk"},
      {FinalReason::kFinalize, "finalize"}, {FinalReason::kStalled, "stalled"}, {FinalReason::kEnd, "end"}};
  for (const auto& [reason, name] : reasons) {
    live::Final message;
    message.reason = reason;
    EXPECT_EQ(parse_json(event_message(message, false))->at("reason").as_string(), name);
  }
}

TEST(ServerMessage, NumbersThatAreNoneAndTextThatIsNone) {
  live::Final message;
  message.avg_logprob = NAN;
  message.language_probability = INFINITY;
  message.text = "a\xff";
  message.words = {{"\xe2\x82", 0, 1, 1}};
  const auto parsed = parse_json(event_message(message, false));
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->at("avg_logprob").is_null());
  EXPECT_TRUE(parsed->at("language_probability").is_null());
  EXPECT_EQ(parsed->at("text").as_string(), "a\xEF\xBF\xBD");
}

TEST(ServerMessage, TheEndOfOneChannel) {
  live::End end;
  end.full_transcript = "And so,";
  end.channels = {{16000, 8000, 6000, {{"no_speech", 1500}, {"too_short", 500}}}};
  end.num_not_finite = 3;
  end.num_clipped = 4;
  end.reason = "idle_timeout";
  EXPECT_EQ(event_message(end, false),
            R"({"type":"end","full_transcript":"And so,","audio":{"received":16000,"transcribed":8000,)"
            R"("silence":6000,"dropped":{"no_speech":1500,"too_short":500}},"not_finite":3,"clipped":4,)"
            R"("reason":"idle_timeout"})");
}

TEST(ServerMessage, TheEndOfSeveralChannelsHasTheirSum) {
  live::End end;
  end.channels = {{10, 6, 3, {{"a", 1}}}, {10, 0, 5, {{"a", 3}, {"b", 2}}}};
  end.reason = "end";
  EXPECT_EQ(event_message(end, true),
            R"({"type":"end","full_transcript":"","audio":{"received":20,"transcribed":6,"silence":8,)"
            R"("dropped":{"a":4,"b":2}},"channels":[{"received":10,"transcribed":6,"silence":3,"dropped":{"a":1}},)"
            R"({"received":10,"transcribed":0,"silence":5,"dropped":{"a":3,"b":2}}],"not_finite":0,"clipped":0,)"
            R"("reason":"end"})");
}

TEST(ServerMessage, TheEndOfASessionWithoutAudio) {
  live::End end;
  end.reason = "end";
  EXPECT_EQ(event_message(end, false),
            R"({"type":"end","full_transcript":"","audio":{"received":0,"transcribed":0,"silence":0,"dropped":{}},)"
            R"("not_finite":0,"clipped":0,"reason":"end"})");
}

}  // namespace
}  // namespace stenod::api
