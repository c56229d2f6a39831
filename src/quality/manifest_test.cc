#include "quality/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <stdexcept>
#include <string>

namespace stenod::quality {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kGood =
    R"({"id": "a", "audio": "a.wav", "text": "Hello.", "language": "en", "kind": "read", "duration_s": 1.5, "x": [1]})";

void expect_refused(std::string_view contents, ErrorCode code, const std::string& message) {
  const auto manifest = parse_manifest(contents, "set.jsonl");
  ASSERT_FALSE(manifest) << contents;
  EXPECT_EQ(manifest.error().code, code) << contents;
  EXPECT_THAT(manifest.error().message, HasSubstr(message));
}

/// kGood with a text instead of another.
std::string with(std::string_view from, std::string_view to) {
  std::string line(kGood);
  const std::size_t at = line.find(from);
  if (at == line.npos) throw std::logic_error("not in the line");
  return line.replace(at, from.size(), to);
}

TEST(Manifest, ReadsRecordings) {
  const std::string contents =
      std::string(kGood) + "\n\r\n" + R"({"id":"b","audio":"/x/b.ogg","text":null,"language":"zxx","kind":"noise"})" +
      "\n" + R"({"id":"c","audio":"c","language":"German","text":"Hallo","kind":"long","duration_s":2})";
  const auto manifest = parse_manifest(contents, "set.jsonl");
  ASSERT_TRUE(manifest) << manifest.error().message;
  ASSERT_EQ(manifest->size(), 3u);
  const Recording& a = (*manifest)[0];
  EXPECT_EQ(a.id, "a");
  EXPECT_EQ(a.audio, "a.wav");
  EXPECT_EQ(a.text, "Hello.");
  EXPECT_EQ(a.language, "en");
  EXPECT_EQ(a.kind, "read");
  EXPECT_EQ(a.duration_s, 1.5);
  EXPECT_TRUE(a.is_speech());
  EXPECT_FALSE((*manifest)[1].is_speech());
  EXPECT_EQ((*manifest)[1].language, "zxx");
  EXPECT_FALSE((*manifest)[1].duration_s);
  EXPECT_EQ((*manifest)[2].language, "de");
}

TEST(Manifest, MayBeginWithAByteOrderMark) {
  const auto manifest = parse_manifest("\xEF\xBB\xBF" + std::string(kGood), "set.jsonl");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->front().id, "a");
}

TEST(Manifest, SaysWhatIsWrongAndWhere) {
  expect_refused("", ErrorCode::kManifestMalformed, "set.jsonl: holds no recording");
  expect_refused(std::string(kGood) + "\n{\"id\": ", ErrorCode::kJsonMalformed, "set.jsonl, line 2: at byte");
  expect_refused("[1]", ErrorCode::kManifestMalformed, "set.jsonl, line 1: expected a JSON object");
  expect_refused(std::string(kGood) + "\n\n" + std::string(kGood), ErrorCode::kManifestMalformed,
                 "set.jsonl, line 3: id: 'a' stands in set.jsonl, line 1 already");
  const auto expect_member = [](const std::string& line, const std::string& message) {
    expect_refused(line, ErrorCode::kManifestMalformed, "set.jsonl, line 1: " + message);
  };
  expect_member(with(R"("id": "a", )", ""), "id: is missing, expected a text");
  expect_member(with(R"("id": "a")", R"("id": 1)"), "id: expected a text");
  expect_member(with(R"("id": "a")", R"("id": "")"), "id: is empty");
  expect_member(with(R"("id": "a")", R"("id": "a\n")"), "id: has a control character");
  expect_member(with(R"("a")", '"' + std::string(257, 'a') + '"'), "id: has 257 bytes, expected at most 256");
  expect_member(with(R"("audio": "a.wav", )", ""), "audio: is missing");
  expect_member(with(R"("a.wav")", R"("a\u0000.wav")"), "audio: has a zero byte");
  expect_member(with(R"("Hello.")", "[]"), "text: expected a text");
  expect_member(with(R"("read")", R"("song")"), "kind: unknown kind 'song', expected read, spontaneous, long");
  expect_member(with(R"("kind": "read", )", ""), "kind: is missing");
  expect_member(with(R"("en")", R"("xx")"), "language: unknown language 'xx'");
  expect_member(with(R"("language": "en", )", ""), "language: is missing");
  expect_member(with("1.5", "-1"), "duration_s: -1 is out of range");
  expect_member(with("1.5", "1e9"), "duration_s: 1000000000 is out of range");
  expect_member(with("1.5", R"("1")"), "duration_s: expected a number");
}

TEST(Parts, AreReadInOrder) {
  const auto parts =
      parse_parts(R"([{"name":"x","start_s":0,"duration_s":1,"text":"a"},{"start_s":1.5,"text":"b"}])", "p");
  ASSERT_TRUE(parts) << parts.error().message;
  ASSERT_EQ(parts->size(), 2u);
  EXPECT_EQ((*parts)[1].start_s, 1.5);
  EXPECT_EQ((*parts)[1].text, "b");
}

TEST(Parts, SayWhatIsWrongAndWhere) {
  const auto expect = [](std::string_view contents, ErrorCode code, const std::string& message) {
    const auto parts = parse_parts(contents, "p.json");
    ASSERT_FALSE(parts) << contents;
    EXPECT_EQ(parts.error().code, code);
    EXPECT_THAT(parts.error().message, HasSubstr(message));
  };
  expect("[", ErrorCode::kJsonMalformed, "p.json: at byte");
  expect("{}", ErrorCode::kManifestMalformed, "p.json: expected an array");
  expect("[1]", ErrorCode::kManifestMalformed, "p.json: part 1: expected a JSON object");
  expect(R"([{"text":"a"}])", ErrorCode::kManifestMalformed, "p.json: part 1: start_s: is missing");
  expect(R"([{"start_s":-1,"text":"a"}])", ErrorCode::kManifestMalformed,
         "p.json: part 1: start_s: -1 is out of range");
  expect(R"([{"start_s":1}])", ErrorCode::kManifestMalformed, "p.json: part 1: text: is missing");
  expect(R"([{"start_s":1,"text":"a"},{"start_s":0.5,"text":"b"}])", ErrorCode::kManifestMalformed,
         "p.json: part 2: start_s: is before that of the part before it");
}

class ManifestFileTest : public ::testing::Test {
 protected:
  ManifestFileTest() {
    std::string name = (std::filesystem::temp_directory_path() / "stenod-manifest-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~ManifestFileTest() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, std::string_view text) const { std::ofstream(folder_ / name) << text; }

  std::filesystem::path folder_;
};

TEST_F(ManifestFileTest, FindsAudioAndPartsFromItsFolder) {
  write("m.jsonl", kGood);
  write("a.parts.json", R"([{"start_s": 0.5, "text": "Hello."}])");
  const auto manifest = read_manifest(folder_ / "m.jsonl");
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_EQ(manifest->front().audio, folder_ / "a.wav");
  ASSERT_EQ(manifest->front().parts.size(), 1u);
  EXPECT_EQ(manifest->front().parts[0].start_s, 0.5);
}

TEST_F(ManifestFileTest, RefusesPartsThatAreDamaged) {
  write("m.jsonl", kGood);
  write("a.parts.json", "[");
  const auto manifest = read_manifest(folder_ / "m.jsonl");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code, ErrorCode::kJsonMalformed);
  EXPECT_THAT(manifest.error().message, HasSubstr("a.parts.json"));
}

TEST_F(ManifestFileTest, SaysThatThereIsNone) {
  const auto manifest = read_manifest(folder_ / "m.jsonl");
  ASSERT_FALSE(manifest);
  EXPECT_EQ(manifest.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace stenod::quality
