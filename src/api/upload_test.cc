#include "api/upload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "audio/testing/audio_files.h"
#include "base/file.h"

namespace stenod::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class UploadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = SpoolFolder::open(temp_.path(), {.max_file_bytes = 100});
    ASSERT_TRUE(opened);
    spool_ = *std::move(opened);
  }

  Result<Upload> read(const std::string& content_type, const std::string& body, bool raw_body = true) {
    HttpRequest request;
    if (content_type != "none") request.headers = {{"content-TYPE", content_type}};
    STENOD_ASSIGN_OR_RETURN(
        auto reader,
        UploadReader::create(request, {.file_fields = {"audio", "file"}, .raw_body = raw_body, .max_field_bytes = 10},
                             *spool_));
    for (const char& c : body) STENOD_RETURN_IF_ERROR(reader->take(std::as_bytes(std::span(&c, 1))));
    return reader->finish();
  }
  Result<Upload> form(const std::string& parts) { return read("multipart/form-data; boundary=b", parts + "--b--\r\n"); }
  static std::string part(const std::string& parameters, const std::string& data) {
    return "--b\r\nContent-Disposition: form-data; " + parameters + "\r\n\r\n" + data + "\r\n";
  }
  static std::string code(const Result<Upload>& upload) {
    return upload ? "ok" : std::string(error_name(upload.error().code)) + " " + upload.error().param;
  }
  static std::string content(const Upload& upload) {
    const auto read = read_file(upload.file->path(), 1000);
    return read ? *read : read.error().message;
  }

  audio::testing::TempFolder temp_;
  std::unique_ptr<SpoolFolder> spool_;
};

TEST_F(UploadTest, AForm) {
  const auto upload = form(part("name=language", "en") + part("name=\"audio\"; filename=\"talk.wav\"", "RIFF") +
                           part("name=\"words[]\"", "") + part("name=language", "de"));
  ASSERT_TRUE(upload) << upload.error().message;
  EXPECT_THAT(upload->fields, ElementsAre(Pair("language", "en"), Pair("words[]", ""), Pair("language", "de")));
  EXPECT_EQ(upload->file_field, "audio");
  EXPECT_EQ(upload->file_name, "talk.wav");
  EXPECT_EQ(content(*upload), "RIFF");
  const auto other_name = form(part("name=file", "abc"));
  ASSERT_TRUE(other_name) << "a recording needs no name";
  EXPECT_EQ(other_name->file_field, "file");
  EXPECT_EQ(other_name->file_name, "audio");
}

TEST_F(UploadTest, ARecordingAlone) {
  for (const char* type : {"audio/wav", "AUDIO/ogg; codecs=opus", "video/mp4", "application/octet-stream",
                           "application/ogg", "", "none"}) {
    const auto upload = read(type, "RIFF");
    ASSERT_TRUE(upload) << type << ": " << upload.error().message;
    EXPECT_EQ(content(*upload), "RIFF");
    EXPECT_EQ(upload->file_field, "body");
    EXPECT_EQ(upload->file_name, "audio");
    EXPECT_EQ(code(read(type, "RIFF", false)), "unsupported_media_type Content-Type");
  }
  EXPECT_EQ(code(read("audio/wav", "")), "audio_empty body");
  EXPECT_EQ(code(read("audio/wav", std::string(101, 'x'))), "payload_too_large ");
}

TEST_F(UploadTest, OtherBodiesAreRefused) {
  for (const char* type : {"application/x-www-form-urlencoded", "application/json", "text/plain", "multipart/mixed"}) {
    const auto refused = read(type, "x");
    EXPECT_EQ(code(refused), "unsupported_media_type Content-Type") << type;
    EXPECT_THAT(refused.error().message, HasSubstr("audio/"));
  }
}

TEST_F(UploadTest, WrongForms) {
  EXPECT_EQ(code(form("")), "missing_parameter audio");
  EXPECT_EQ(code(form(part("name=language", "en"))), "missing_parameter audio");
  EXPECT_EQ(code(form(part("name=audio; filename=a.wav", ""))), "audio_empty audio");
  EXPECT_EQ(code(form(part("name=audio", "a") + part("name=file", "b"))), "invalid_argument file");
  EXPECT_EQ(code(form(part("name=audio", "a") + part("name=audio", "b"))), "invalid_argument audio");
  EXPECT_EQ(code(form(part("name=audio", std::string(100, 'x')))), "ok");
  EXPECT_EQ(code(form(part("name=audio", std::string(101, 'x')))), "payload_too_large ");
  EXPECT_EQ(code(form(part("name=prompt", std::string(10, 'x')) + part("name=audio", "a"))), "ok");
  EXPECT_EQ(code(form(part("name=prompt", std::string(11, 'x')) + part("name=audio", "a"))), "field_too_large prompt");
  EXPECT_EQ(code(read("multipart/form-data; boundary=b", part("name=audio", "a"))), "multipart_truncated ");
  EXPECT_EQ(code(read("multipart/form-data", "")), "multipart_bad_boundary Content-Type");
  EXPECT_EQ(spool_->total_bytes(), 0u) << "nothing is left of a refused upload";
}

TEST_F(UploadTest, NamesAreMadeSafe) {
  const auto name = [this](const std::string& filename) {
    const auto upload = form(part("name=audio; filename=\"" + filename + "\"", "a"));
    return upload ? upload->file_name : upload.error().message;
  };
  EXPECT_EQ(name("talk.wav"), "talk.wav");
  EXPECT_EQ(name("../../etc/passwd"), "passwd");
  EXPECT_EQ(name("C:\\fakepath\\talk.mp3"), "talk.mp3");
  EXPECT_EQ(name("folder/"), "audio");
  EXPECT_EQ(name("a\tb.wav"), "ab.wav");
  EXPECT_EQ(name("\xff.wav"), "\xEF\xBF\xBD.wav");
  const std::string long_name = name(std::string(1000, 'x') + ".wav");
  EXPECT_EQ(long_name.size(), 255u);
  EXPECT_TRUE(long_name.ends_with("x.wav"));
}

}  // namespace
}  // namespace stenod::api
