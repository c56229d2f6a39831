#include "text/format.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/json.h"
#include "text/utf8.h"

namespace stenod::text {
namespace {

FileTranscript example() {
  FileTranscript result;
  result.file = "talk \"one\".mp3";
  result.wall_s = 0.25;
  Transcript& transcript = result.transcript;
  transcript.text = "Hello, world. Grüße & more.";
  transcript.language = "en";
  transcript.language_probability = 0.99f;
  transcript.duration = 3725.5;
  transcript.segments = {{.start = 0.5,
                          .end = 2.25,
                          .text = " Hello, world.",
                          .avg_logprob = -0.25f,
                          .no_speech_prob = 0.01f,
                          .compression_ratio = 0.9f,
                          .words = {{" Hello,", 0.5, 1.0004, 0.75f}, {" world.", 1.1, 2.25, 0.5f}}},
                         {.start = 3661.0, .end = 3725.4996, .text = " Grüße & more.", .avg_logprob = -0.5f}};
  transcript.dropped = {{2.25, 4.0, "no_speech", " Thanks.", {}}};
  return result;
}

Segment cue(std::string text, double start = 1, double end = 2) {
  return {.start = start, .end = end, .text = std::move(text)};
}

std::string format_segment(Format format, const Segment& segment) { return TranscriptWriter(format).segment(segment); }

TEST(Format, Names) {
  for (const char* name : {"text", "json", "jsonl", "srt", "vtt", "tsv"}) {
    ASSERT_TRUE(parse_format(name)) << name;
    EXPECT_EQ(file_extension(*parse_format(name)), std::string_view(name) == "text" ? "txt" : name);
  }
  EXPECT_EQ(all_formats().size(), 6u);
  EXPECT_EQ(all_formats()[3], Format::kSrt);
  EXPECT_FALSE(parse_format("SRT"));
  EXPECT_FALSE(parse_format(""));
}

TEST(Format, Text) { EXPECT_EQ(format_transcript(Format::kText, example()), "Hello, world.\nGrüße & more.\n"); }

TEST(Format, Jsonl) {
  EXPECT_EQ(format_transcript(Format::kJsonl, example()),
            R"({"file": "talk \"one\".mp3", "text": "Hello, world. Grüße & more.", "language": "en", )"
            R"("language_probability": 0.9900, "duration": 3725.500, "segments": [)"
            R"({"start": 0.500, "end": 2.250, "text": " Hello, world.", "avg_logprob": -0.2500, )"
            R"("no_speech_prob": 0.0100, "compression_ratio": 0.9000, "temperature": 0.00, )"
            R"("words": [{"word": " Hello,", "start": 0.500, "end": 1.000, "probability": 0.7500}, )"
            R"({"word": " world.", "start": 1.100, "end": 2.250, "probability": 0.5000}]}, )"
            R"({"start": 3661.000, "end": 3725.500, "text": " Grüße & more.", "avg_logprob": -0.5000, )"
            R"("no_speech_prob": 0.0000, "compression_ratio": 0.0000, "temperature": 0.00}], "wall_s": 0.250})"
            "\n");
}

TEST(Format, JsonIsTheSameIndentedWithWhatWasDropped) {
  const std::string text = format_transcript(Format::kJson, example());
  EXPECT_EQ(text.substr(0, 30), "{\n  \"file\": \"talk \\\"one\\\".mp3\"");
  json::object object = parse_json(text).value().as_object();
  const json::array dropped = {{{"start", 2.25}, {"end", 4.0}, {"reason", "no_speech"}, {"text", " Thanks."}}};
  EXPECT_EQ(object.at("dropped"), dropped);
  object.erase("dropped");
  EXPECT_EQ(json::value(object), parse_json(format_transcript(Format::kJsonl, example())).value());
}

TEST(Format, JsonOnOneLine) {
  const std::string line = format_json_on_one_line(example());
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_EQ(parse_json(line).value(), parse_json(format_transcript(Format::kJson, example())).value());

  const std::string segment = format_segment(example().transcript.segments[0]);
  EXPECT_EQ(segment.find('\n'), segment.size() - 1);
  EXPECT_NE(line.find("[" + segment.substr(0, segment.size() - 1) + ", {"), std::string::npos) << segment;
}

TEST(Format, JsonOfNothing) {
  EXPECT_EQ(format_transcript(Format::kJsonl, {}),
            R"({"file": "", "text": "", "language": null, "language_probability": null, "duration": 0.000, )"
            R"("segments": [], "wall_s": 0.000})"
            "\n");
  EXPECT_TRUE(parse_json(format_transcript(Format::kJson, {})));
}

TEST(Format, JsonSaysWhenItWasInterrupted) {
  FileTranscript result = example();
  EXPECT_FALSE(parse_json(format_transcript(Format::kJsonl, result)).value().as_object().contains("interrupted"));
  result.transcript.interrupted = true;
  for (const Format format : {Format::kJson, Format::kJsonl}) {
    const json::value value = parse_json(format_transcript(format, result)).value();
    EXPECT_EQ(value.at("interrupted"), true);
  }
}

TEST(Format, JsonSaysWhatWentWrongBesideATranscript) {
  FileTranscript result = example();
  result.error = Error{ErrorCode::kIoError, "talk.mp3: cannot read"};
  for (const Format format : {Format::kJson, Format::kJsonl}) {
    const json::value value = parse_json(format_transcript(format, result)).value();
    EXPECT_EQ(value.at("error"), (json::object{{"code", "io_error"}, {"message", "talk.mp3: cannot read"}}));
    EXPECT_EQ(value.at("segments").as_array().size(), 2u);
  }
}

TEST(Format, JsonErrors) {
  const Error error{ErrorCode::kNotFound, "a.mp3: there is no such file"};
  EXPECT_EQ(format_error(Format::kJsonl, "a.mp3", error),
            R"({"file": "a.mp3", "error": {"code": "not_found", "message": "a.mp3: there is no such file"}})"
            "\n");
  EXPECT_TRUE(parse_json(format_error(Format::kJson, "a.mp3", error)));
  EXPECT_EQ(format_error(Format::kSrt, "a.mp3", error), "");
}

TEST(Format, Srt) {
  EXPECT_EQ(format_transcript(Format::kSrt, example()),
            "1\n00:00:00,500 --> 00:00:02,250\nHello, world.\n\n"
            "2\n01:01:01,000 --> 01:02:05,500\nGrüße & more.\n\n");
}

TEST(Format, Vtt) {
  EXPECT_EQ(format_transcript(Format::kVtt, example()),
            "WEBVTT\n\n00:00.500 --> 00:02.250\nHello, world.\n\n"
            "01:01:01.000 --> 01:02:05.500\nGrüße &amp; more.\n\n");
}

TEST(Format, Tsv) {
  EXPECT_EQ(format_transcript(Format::kTsv, example()),
            "start\tend\ttext\n500\t2250\tHello, world.\n3661000\t3725500\tGrüße & more.\n");
}

TEST(Format, TextThatLooksLikeTheFormat) {
  EXPECT_EQ(format_segment(Format::kSrt, cue("a --> b")), "1\n00:00:01,000 --> 00:00:02,000\na -> b\n\n");
  EXPECT_EQ(format_segment(Format::kVtt, cue("a --> <b>&")), "00:01.000 --> 00:02.000\na --&gt; &lt;b&gt;&amp;\n\n");
  EXPECT_EQ(format_segment(Format::kTsv, cue("a\tb")), "1000\t2000\ta b\n");
  for (const Format format : {Format::kText, Format::kSrt, Format::kVtt, Format::kTsv}) {
    EXPECT_NE(format_segment(format, cue(std::string("\n a\n\r\nb\0c\n", 10))).find("a   b c\n"), std::string::npos)
        << "an empty line would end the cue";
  }
}

TEST(Format, SegmentsWithoutTextAreLeftOut) {
  for (const Format format : {Format::kText, Format::kSrt, Format::kVtt, Format::kTsv}) {
    TranscriptWriter writer(format);
    EXPECT_EQ(writer.segment(cue(" \n")), "");
    EXPECT_EQ(writer.segment(cue("x")).substr(0, 2) == "1\n", format == Format::kSrt) << "cue numbers have no gaps";
  }
}

TEST(Format, Channels) {
  Segment segment = cue(" hi");
  segment.channel = 1;
  EXPECT_EQ(format_segment(Format::kText, segment), "[1] hi\n");
  EXPECT_EQ(format_segment(Format::kSrt, segment), "1\n00:00:01,000 --> 00:00:02,000\n[1] hi\n\n");
  EXPECT_EQ(format_segment(Format::kVtt, segment), "00:01.000 --> 00:02.000\n<v 1>hi\n\n");
  EXPECT_EQ(format_segment(Format::kTsv, segment), "1000\t2000\t[1] hi\n");
  FileTranscript result;
  result.transcript.segments = {segment};
  EXPECT_NE(format_transcript(Format::kJsonl, result).find(R"("channel": 1)"), std::string::npos);
}

Segment with_words() {
  Segment segment = cue(" Salt & <pepper>, --> please.", 1, 3);
  segment.words = {{" Salt", 1, 1.5, 1}, {" &", 1.5, 1.75, 1}, {" <pepper>,", 2, 2.5, 1},
                   {" --", 2.5, 2.6, 1}, {">", 2.6, 2.7, 1},   {" please.", 2.7, 3, 1}};
  return segment;
}

std::string format_words(Format format, const SubtitleOptions& subtitles, std::optional<int> channel = {}) {
  FileTranscript result;
  result.transcript.segments = {with_words()};
  result.transcript.segments[0].channel = channel;
  return format_transcript(format, result, {.subtitles = subtitles});
}

TEST(Format, LinesOfSubtitles) {
  const SubtitleOptions lines{.max_line_width = 16, .max_line_count = 2};
  EXPECT_EQ(format_words(Format::kSrt, lines), "1\n00:00:01,000 --> 00:00:03,000\nSalt & <pepper>,\n-> please.\n\n");
  EXPECT_EQ(format_words(Format::kVtt, lines, 1),
            "WEBVTT\n\n00:01.000 --> 00:03.000\n<v 1>Salt &amp; &lt;pepper&gt;,\n--&gt; please.\n\n");
  EXPECT_EQ(format_words(Format::kSrt, {.max_words_per_line = 3}, 1),
            "1\n00:00:01,000 --> 00:00:02,500\n[1] Salt & <pepper>,\n\n"
            "2\n00:00:02,500 --> 00:00:03,000\n[1] -> please.\n\n");
  for (const Format format : {Format::kText, Format::kTsv, Format::kJson, Format::kJsonl}) {
    EXPECT_EQ(format_words(format, lines), format_words(format, {})) << "only subtitles have lines";
  }
}

TEST(Format, HighlightedWords) {
  const SubtitleOptions options{.max_words_per_line = 3, .highlight_words = true};
  EXPECT_EQ(format_words(Format::kSrt, options),
            "1\n00:00:01,000 --> 00:00:01,500\n<u>Salt</u> & <pepper>,\n\n"
            "2\n00:00:01,500 --> 00:00:01,750\nSalt <u>&</u> <pepper>,\n\n"
            "3\n00:00:01,750 --> 00:00:02,000\nSalt & <pepper>,\n\n"
            "4\n00:00:02,000 --> 00:00:02,500\nSalt & <u><pepper>,</u>\n\n"
            "5\n00:00:02,500 --> 00:00:02,600\n<u>--</u>> please.\n\n"
            "6\n00:00:02,600 --> 00:00:02,700\n--<u>></u> please.\n\n"
            "7\n00:00:02,700 --> 00:00:03,000\n-> <u>please.</u>\n\n");
  const std::string vtt = format_words(Format::kVtt, options, 0);
  EXPECT_NE(vtt.find("00:01.500 --> 00:01.750\n<v 0>Salt <u>&amp;</u> &lt;pepper&gt;,\n\n"), std::string::npos) << vtt;
}

TEST(Format, JsonHoldsWordsOnlyWhereTheyAreWanted) {
  FileTranscript result;
  result.transcript.segments = {with_words()};
  const FormatOptions without{.words = false};
  for (const std::string& text :
       {format_transcript(Format::kJson, result, without), format_transcript(Format::kJsonl, result, without),
        format_json_on_one_line(result, without), format_segment(with_words(), without)}) {
    EXPECT_EQ(text.find("\"words\""), std::string::npos) << text;
  }
  EXPECT_NE(format_json_on_one_line(result).find("\"words\""), std::string::npos);
  EXPECT_NE(format_segment(with_words()).find("\"words\""), std::string::npos);
}

TEST(Format, OddTimes) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(format_segment(Format::kTsv, cue("x", -1, nan)), "0\t0\tx\n");
  EXPECT_EQ(format_segment(Format::kTsv, cue("x", 3, 2)), "3000\t3000\tx\n");
  EXPECT_EQ(format_segment(Format::kTsv, cue("x", 0.9996, 1.0)), "1000\t1000\tx\n");
  EXPECT_EQ(format_segment(Format::kSrt, cue("x", 360000, infinity)), "1\n100:00:00,000 --> 9999:00:00,000\nx\n\n");
  FileTranscript result;
  result.transcript.segments = {cue("x", nan, -infinity)};
  result.transcript.segments[0].avg_logprob = -std::numeric_limits<float>::infinity();
  result.transcript.segments[0].no_speech_prob = -1e-9f;
  result.transcript.duration = nan;
  const auto parsed = parse_json(format_transcript(Format::kJsonl, result));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_NE(format_transcript(Format::kJsonl, result).find(R"("avg_logprob": null, "no_speech_prob": 0.0000)"),
            std::string::npos);
}

TEST(Format, AlwaysValidUtf8) {
  FileTranscript result;
  result.file = "\xFF.mp3";
  result.transcript.text = "\xE3\x81";
  result.transcript.segments = {
      cue("a\xE3\x81"
          "b")};
  result.transcript.segments[0].words = {{"\x80", 1, 2, 1}};
  result.transcript.dropped = {{0, 1, "no_speech", "\xC0", {}}};
  for (const Format format : {Format::kText, Format::kJson, Format::kJsonl, Format::kSrt, Format::kVtt, Format::kTsv}) {
    const std::string out = format_transcript(format, result);
    EXPECT_EQ(out, to_valid_utf8(out));
    EXPECT_NE(out.find("a\uFFFDb"), std::string::npos);
  }
}

}  // namespace
}  // namespace stenod::text
