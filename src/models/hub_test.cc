#include "models/hub.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stenod::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kCommit(40, 'c');
const std::string kBlob(40, 'b');
const std::string kSha256(64, 'a');

std::string small_file(const std::string& name) {
  return fmt::format(R"({{"rfilename": "{}", "size": 5, "blobId": "{}"}})", name, kBlob);
}

std::string large_file(const std::string& name) {
  return fmt::format(
      R"({{"rfilename": "{}", "size": 70, "blobId": "{}", "lfs": {{"sha256": "{}", "size": 70, "pointerSize": 134}}}})",
      name, kBlob, kSha256);
}

std::string listing(const std::vector<std::string>& files) {
  return fmt::format(R"({{"id": "o/n", "sha": "{}", "gated": false, "siblings": [{}]}})", kCommit,
                     fmt::join(files, ","));
}

/// What keep_model_files() leaves of these.
std::vector<std::string> kept(const std::vector<std::string>& files) {
  auto snapshot = parse_hub_listing(listing(files), "o/n");
  EXPECT_TRUE(snapshot.ok()) << snapshot.error().message;
  const auto status = keep_model_files(*snapshot);
  if (!status) return {std::string(error_name(status.error().code)), status.error().message};
  std::vector<std::string> names;
  for (const HubFile& file : snapshot->files) names.push_back(file.name);
  return names;
}

TEST(HubReference, Parses) {
  const auto plain = HubReference::parse("Systran/faster-whisper-tiny.en");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->repository, "Systran/faster-whisper-tiny.en");
  EXPECT_EQ(plain->revision, "main");
  EXPECT_EQ(plain->folder_name(), "Systran--faster-whisper-tiny.en");
  EXPECT_EQ(HubReference::parse("a/b@refs/pr/1")->revision, "refs/pr/1");
  for (const std::string text : {"", "a", "a/", "/b", "a/b/c", "../b", "a/..", "a/b@", "a/b@x y", "a b/c", "a/b?c",
                                 ".a/b", "-a/b", "a/b..c", "a--b/c", "a/b@x\n", "_a/b", "a\\b/c"}) {
    const auto reference = HubReference::parse(text);
    ASSERT_FALSE(reference.ok()) << text;
    EXPECT_EQ(reference.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(reference.error().message, HasSubstr("expected OWNER/NAME"));
  }
  EXPECT_FALSE(HubReference::parse("a/" + std::string(97, 'b')).ok());
  EXPECT_FALSE(HubReference::parse("a/b@" + std::string(256, 'b')).ok());
}

TEST(HubListing, HasSizesAndChecksums) {
  const auto snapshot = parse_hub_listing(
      listing({small_file("config.json"), large_file("model.bin"), small_file(".gitattributes"), small_file("a/b")}),
      "o/n");
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().message;
  EXPECT_EQ(snapshot->repository, "o/n");
  EXPECT_EQ(snapshot->commit, kCommit);
  EXPECT_FALSE(snapshot->is_gated);
  EXPECT_THAT(snapshot->files, ElementsAre(HubFile{"config.json", 5, {Checksum::Kind::kGitBlob, kBlob}},
                                           HubFile{"model.bin", 70, {Checksum::Kind::kSha256, kSha256}}));
  EXPECT_EQ(snapshot->file_url({"https://h"}, "model.bin"), "https://h/o/n/resolve/" + kCommit + "/model.bin");
  for (const char* gated : {"\"auto\"", "\"manual\"", "true"}) {
    const auto text = fmt::format(R"({{"sha": "{}", "gated": {}, "siblings": []}})", kCommit, gated);
    EXPECT_TRUE(parse_hub_listing(text, "o/n")->is_gated);
  }
}

TEST(HubListing, RefusesWhatIsNone) {
  const std::pair<std::string, ErrorCode> cases[] = {
      {"", ErrorCode::kJsonMalformed},
      {"<html>", ErrorCode::kJsonMalformed},
      {"[]", ErrorCode::kModelBadListing},
      {"{}", ErrorCode::kModelBadListing},
      {R"({"siblings": []})", ErrorCode::kModelBadListing},
      {R"({"siblings": {}, "sha": ")" + kCommit + "\"}", ErrorCode::kModelBadListing},
      {R"({"siblings": [], "sha": "../../x"})", ErrorCode::kModelBadListing},
      {R"({"siblings": [3], "sha": ")" + kCommit + "\"}", ErrorCode::kModelBadListing},
      {listing({small_file("config.json"), large_file("config.json")}), ErrorCode::kModelBadListing},
  };
  for (const auto& [text, code] : cases) {
    const auto snapshot = parse_hub_listing(text, "o/n");
    ASSERT_FALSE(snapshot.ok()) << text;
    EXPECT_EQ(error_name(snapshot.error().code), error_name(code)) << text;
  }
}

TEST(HubListing, KeepsWhatAModelConsistsOf) {
  EXPECT_THAT(kept({small_file("README.md"), small_file("config.json"), large_file("model.bin"),
                    large_file("model.safetensors"), small_file("preprocessor_config.json"),
                    small_file("tokenizer.json"), small_file("vocabulary.json"), large_file("pytorch_model.bin")}),
              ElementsAre("config.json", "model.bin", "preprocessor_config.json", "tokenizer.json", "vocabulary.json"));
  EXPECT_THAT(kept({small_file("config.json"), small_file("generation_config.json"), large_file("model.safetensors"),
                    large_file("model.fp32-00001-of-00002.safetensors"), small_file("tokenizer.json")}),
              ElementsAre("config.json", "generation_config.json", "model.safetensors", "tokenizer.json"));
  EXPECT_THAT(kept({small_file("config.json"), small_file("model.safetensors.index.json"), small_file("vocabulary.txt"),
                    large_file("model-00001-of-00002.safetensors"), large_file("model-00002-of-00002.safetensors")}),
              ElementsAre("config.json", "model.safetensors.index.json", "vocabulary.txt",
                          "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"));
}

TEST(HubListing, RefusesWhatIsNoModel) {
  const std::string config = small_file("config.json"), tokenizer = small_file("tokenizer.json");
  const std::string index = small_file("model.safetensors.index.json"), weights = large_file("model.bin");
  const auto expect_refused = [](const std::vector<std::string>& files, const std::string& part) {
    EXPECT_THAT(kept(files), ElementsAre("model_bad_listing", HasSubstr(part)));
  };
  expect_refused({tokenizer, weights}, "config.json");
  expect_refused({config, weights}, "tokenizer.json");
  expect_refused({config, tokenizer}, "neither model.bin (CTranslate2) nor model.safetensors");
  expect_refused({config, tokenizer, large_file("pytorch_model.bin")}, "neither model.bin");
  expect_refused({config, tokenizer, index}, "0 of 0 shards");
  expect_refused({config, tokenizer, index, large_file("model-00001-of-00002.safetensors")}, "1 of 2 shards");
  expect_refused({config, tokenizer, index, large_file("model-00003-of-00002.safetensors")}, "0 of 0 shards");
  expect_refused({config, tokenizer, index, large_file("model-00001-of-00002.safetensors"),
                  large_file("model-00001-of-00001.safetensors")},
                 "two divisions");
  for (const char* file :
       {R"({"rfilename": "model.bin"})", R"({"rfilename": "model.bin", "size": 5, "blobId": "x"})",
        R"({"rfilename": "model.bin", "size": -5, "blobId": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"})",
        R"({"rfilename": "model.bin", "size": 5, "lfs": {"size": 5}})",
        R"({"rfilename": "model.bin", "size": 1e30, "blobId": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"})"}) {
    expect_refused({config, tokenizer, file}, "no size or no checksum of model.bin");
  }
}

}  // namespace
}  // namespace stenod::models
