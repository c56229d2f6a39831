#include "client/audio_source.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "audio/testing/audio_files.h"

namespace stenod::client {
namespace {

using audio::StreamEncoding;
using audio::testing::TempFolder;
using audio::testing::tone;
using audio::testing::wav;

/// A pipe whose writing end a test holds.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(fds_), 0); }
  ~Pipe() {
    ::close(fds_[0]);
    close();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int reader() const { return fds_[0]; }
  void write(std::string_view bytes) const {
    EXPECT_EQ(::write(fds_[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  void close() {
    if (fds_[1] >= 0) ::close(fds_[1]);
    fds_[1] = -1;
  }

 private:
  int fds_[2] = {-1, -1};
};

std::string text_of(const AudioBlock& block) {
  return {reinterpret_cast<const char*>(block.bytes.data()), block.bytes.size()};
}

TEST(FileSource, GivesBlocksOf100Ms) {
  const TempFolder folder;
  const auto samples = tone(440, 16000, 1.05);
  const auto source = open_file_source(folder.write("a.wav", wav({}, samples)));
  ASSERT_TRUE(source.ok()) << source.error().message;
  EXPECT_FALSE((*source)->is_live());
  EXPECT_EQ((*source)->format().encoding, StreamEncoding::kInt16);
  std::string all;
  double duration_s = 0;
  while (true) {
    const auto block = (*source)->read();
    ASSERT_TRUE(block.ok());
    if (block->bytes.empty()) break;
    EXPECT_LE(block->bytes.size(), 3200U);
    duration_s += block->duration_s;
    all += text_of(*block);
  }
  EXPECT_NEAR(duration_s, 1.05, 1e-9);
  EXPECT_EQ(all, std::string(reinterpret_cast<const char*>(samples.data()), samples.size() * 2));
}

TEST(FileSource, SaysWhatIsWrong) {
  const auto missing = open_file_source("/nonexistent/a.wav");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
}

TEST(FileSource, StopEndsIt) {
  const TempFolder folder;
  const auto source = open_file_source(folder.write("a.wav", wav({}, tone(440, 16000, 10))));
  ASSERT_TRUE(source.ok());
  EXPECT_FALSE((*source)->read()->bytes.empty());
  (*source)->stop();
  const auto after = (*source)->read();
  ASSERT_TRUE(after.ok());
  EXPECT_TRUE(after->bytes.empty());
}

TEST(PipeSource, PassesBytesOnAsTheyCome) {
  Pipe pipe;
  const auto source = make_pipe_source(pipe.reader(), {StreamEncoding::kMuLaw, 8000, 2});
  EXPECT_TRUE(source->is_live());
  pipe.write("abcd");
  const auto block = source->read();
  ASSERT_TRUE(block.ok());
  EXPECT_EQ(text_of(*block), "abcd");
  EXPECT_NEAR(block->duration_s, 2.0 / 8000, 1e-12);
  pipe.close();
  EXPECT_TRUE(source->read()->bytes.empty());
}

TEST(PipeSource, TellsContainersFromSamples) {
  for (const bool is_container : {true, false}) {
    Pipe pipe;
    const auto source = make_pipe_source(pipe.reader(), {});
    const std::string bytes = is_container ? wav({}, tone(440, 16000, 0.1)) : std::string(3200, '\1');
    std::thread writer([&] {
      pipe.write(bytes.substr(0, 5));
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      pipe.write(bytes.substr(5));
      pipe.close();
    });
    std::string all;
    double duration_s = 0;
    while (true) {
      const auto block = source->read();
      ASSERT_TRUE(block.ok());
      if (block->bytes.empty()) break;
      all += text_of(*block);
      duration_s += block->duration_s;
    }
    writer.join();
    EXPECT_EQ(all, bytes);
    EXPECT_EQ(source->format().encoding, is_container ? StreamEncoding::kAuto : StreamEncoding::kInt16);
    EXPECT_NEAR(duration_s, is_container ? 0 : 0.1, 1e-9);
  }
}

TEST(PipeSource, StopEndsAReadThatWaits) {
  Pipe pipe;
  const auto source = make_pipe_source(pipe.reader(), {});
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    source->stop();
  });
  const auto block = source->read();  // nobody ever writes
  stopper.join();
  ASSERT_TRUE(block.ok());
  EXPECT_TRUE(block->bytes.empty());
}

TEST(PipeSource, SaysWhatIsWrong) {
  const int folder = ::open("/", O_RDONLY);
  const auto source = make_pipe_source(folder, {});
  const auto block = source->read();
  ::close(folder);
  ASSERT_FALSE(block.ok());
  EXPECT_EQ(block.error().code, ErrorCode::kIoError);
}

}  // namespace
}  // namespace stenod::client
