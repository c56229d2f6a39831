#include "audio/decoder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <mutex>
#include <random>

#include "audio/testing/audio_files.h"
#include "base/log.h"

namespace stenod::audio {
namespace {

using testing::encode;
using testing::join_tracks;
using testing::rms;
using testing::TempFolder;
using testing::tone;
using testing::wav;
using testing::WavHeader;

struct Decoded {
  ChannelSamples samples;
  std::int64_t num_skipped = 0;
  double estimated_s = 0;
  double missing_s = 0;
  int num_tracks = 0;
  int track = 0;
};

Result<Decoded> drain(Result<std::unique_ptr<Decoder>> decoder) {
  if (!decoder) return std::move(decoder).error();
  Decoded out;
  out.samples.resize(static_cast<std::size_t>((*decoder)->num_channels()));
  out.estimated_s = (*decoder)->estimated_duration_s().value_or(0);
  out.num_tracks = (*decoder)->num_audio_tracks();
  out.track = (*decoder)->audio_track();
  EXPECT_EQ((*decoder)->missing_s(), 0) << "not yet at the end";
  ChannelSamples block;
  for (;;) {
    STENOD_ASSIGN_OR_RETURN(const std::size_t n, (*decoder)->read(block));
    if (n == 0) break;
    EXPECT_EQ(block.size(), out.samples.size());
    for (std::size_t c = 0; c < block.size(); ++c) {
      EXPECT_EQ(block[c].size(), n);
      out.samples[c].insert(out.samples[c].end(), block[c].begin(), block[c].end());
    }
  }
  out.num_skipped = (*decoder)->num_skipped_packets();
  out.missing_s = (*decoder)->missing_s();
  return out;
}

Result<Decoded> decode(const std::filesystem::path& path, ChannelMode mode = ChannelMode::kMix) {
  return drain(Decoder::open(path, {mode, {}}));
}

Result<Decoded> decode_bytes(const std::string& bytes, ChannelMode mode = ChannelMode::kMix,
                             const std::string& name = "upload") {
  return drain(Decoder::open_memory(std::as_bytes(std::span(bytes)), name, {mode, {}}));
}

/// The error's name; the message must name the file.
std::string error_of(const Result<Decoded>& result, const std::string& name = "upload") {
  if (result.ok()) return "none";
  EXPECT_NE(result.error().message.find(name), std::string::npos) << result.error().message;
  EXPECT_EQ(result.error().param, name);
  return std::string(error_name(result.error().code));
}

std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::int16_t> interleave(const ChannelSamples& channels) {
  std::vector<std::int16_t> out;
  for (std::size_t i = 0; i < channels[0].size(); ++i) {
    for (const auto& channel : channels) out.push_back(channel[i]);
  }
  return out;
}

TEST(Decoder, GivesWavOf16KHzUnchanged) {
  std::vector<std::int16_t> samples(50'000);
  std::mt19937 random(1);
  for (auto& sample : samples) sample = static_cast<std::int16_t>(random());
  const auto decoded = decode_bytes(wav({}, samples));
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(decoded->samples[0], samples);
  EXPECT_EQ(decoded->num_skipped, 0);
}

TEST(Decoder, FileAndMemoryAgree) {
  const TempFolder folder;
  const std::string bytes = wav({.sample_rate = 11025}, tone(440, 11025, 1.5));
  const auto from_file = decode(folder.write("a.wav", bytes));
  const auto from_memory = decode_bytes(bytes);
  ASSERT_TRUE(from_file.ok() && from_memory.ok());
  EXPECT_EQ(from_file->samples, from_memory->samples);
}

TEST(Decoder, ResamplesAnyRate) {
  for (const int rate : {1000, 8000, 11025, 22050, 44100, 47999, 48000, 96000, 192000, 768000}) {
    const auto decoded = decode_bytes(wav({.sample_rate = static_cast<std::uint32_t>(rate)}, tone(200, rate, 2)));
    ASSERT_TRUE(decoded.ok()) << rate << decoded.error().message;
    const auto& samples = decoded->samples[0];
    EXPECT_NEAR(static_cast<double>(samples.size()), 32000, 32) << rate;
    EXPECT_NEAR(rms(samples), 0.3535, 0.005) << rate;
    int crossings = 0;
    for (std::size_t i = 1; i < samples.size(); ++i) crossings += samples[i - 1] < 0 && samples[i] >= 0 ? 1 : 0;
    EXPECT_NEAR(crossings, 400, 2) << rate;
  }
}

TEST(Decoder, MixesOrSplitsChannels) {
  for (const int num_channels : {1, 2, 3, 6, 8, 9, 16, 23, 64}) {
    for (const int rate : {16000, 8000}) {
      ChannelSamples channels(static_cast<std::size_t>(num_channels));
      for (auto& channel : channels) channel.resize(static_cast<std::size_t>(rate));
      channels.back() = tone(300, rate, 1);
      const std::string bytes = wav(
          {.num_channels = static_cast<std::uint16_t>(num_channels), .sample_rate = static_cast<std::uint32_t>(rate)},
          interleave(channels));
      const auto split = decode_bytes(bytes, ChannelMode::kSplit);
      ASSERT_TRUE(split.ok()) << split.error().message;
      ASSERT_EQ(split->samples.size(), channels.size());
      for (std::size_t c = 0; c + 1 < channels.size(); ++c) EXPECT_EQ(rms(split->samples[c]), 0) << c;
      EXPECT_NEAR(rms(split->samples.back()), 0.3535, 0.01);
      if (rate == 16000) {
        EXPECT_EQ(split->samples, channels);
      }

      const auto mixed = decode_bytes(bytes);
      ASSERT_TRUE(mixed.ok()) << num_channels << mixed.error().message;
      ASSERT_EQ(mixed->samples.size(), 1U);
      EXPECT_NEAR(static_cast<double>(mixed->samples[0].size()), 16000, 16);
      EXPECT_GT(rms(mixed->samples[0]), 0.003) << num_channels << " channels";
      if (num_channels == 2) {
        EXPECT_NEAR(rms(mixed->samples[0]), 0.3535 / 2, 0.005);
      }
    }
  }
}

TEST(Decoder, ReadsTheUsualFormats) {
  struct Case {
    const char* name;
    const char* encoder;
    int sample_rate;
    int num_channels;
    double tolerance_s;
  };
  const TempFolder folder;
  for (const Case& c : {Case{"a.flac", "flac", 44100, 2, 0.001}, Case{"a.mp3", "libmp3lame", 44100, 2, 0.06},
                        Case{"a.m4a", "aac", 48000, 2, 0.06}, Case{"a.mp4", "aac", 22050, 1, 0.06},
                        Case{"a.ogg", "libvorbis", 44100, 1, 0.06}, Case{"a.opus", "libopus", 48000, 1, 0.06},
                        Case{"a.webm", "libopus", 48000, 2, 0.06}, Case{"a.mkv", "ac3", 48000, 2, 0.06},
                        Case{"a.aiff", "pcm_s16be", 32000, 1, 0.001}, Case{"a.au", "pcm_mulaw", 8000, 1, 0.001},
                        Case{"a.g722", "g722", 16000, 1, 0.01}, Case{"a.caf", "pcm_s16le", 12345, 2, 0.001}}) {
    SCOPED_TRACE(c.name);
    ChannelSamples channels(static_cast<std::size_t>(c.num_channels), tone(500, c.sample_rate, 3));
    ASSERT_TRUE(encode(folder.path() / c.name, c.encoder, c.sample_rate, c.num_channels, interleave(channels)));
    const auto decoder = Decoder::open(folder.path() / c.name);
    ASSERT_TRUE(decoder.ok()) << decoder.error().message;
    EXPECT_NEAR((*decoder)->estimated_duration_s().value_or(3), 3, 0.1);
    const auto decoded = decode(folder.path() / c.name);
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_NEAR(static_cast<double>(decoded->samples[0].size()) / kSampleRate, 3, c.tolerance_s);
    EXPECT_NEAR(rms(decoded->samples[0]), 0.3535, 0.02);
    EXPECT_EQ(decoded->num_skipped, 0);
    EXPECT_EQ(decoded->missing_s, 0);
    EXPECT_EQ(decoded->num_tracks, 1);
    EXPECT_EQ(decoded->track, 1);
  }
}

TEST(Decoder, FollowsParametersThatChangeWithinAFile) {
  const TempFolder folder;
  ASSERT_TRUE(
      encode(folder.path() / "a.mp3", "libmp3lame", 44100, 2, interleave({tone(500, 44100, 2), tone(500, 44100, 2)})));
  ASSERT_TRUE(encode(folder.path() / "b.mp3", "libmp3lame", 16000, 1, tone(500, 16000, 2)));
  const std::string joined = read_all(folder.path() / "a.mp3") + read_all(folder.path() / "b.mp3");
  for (const ChannelMode mode : {ChannelMode::kMix, ChannelMode::kSplit}) {
    const auto decoded = decode_bytes(joined, mode, "joined.mp3");
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_NEAR(static_cast<double>(decoded->samples[0].size()) / kSampleRate, 4, 0.3);
    EXPECT_NEAR(rms(std::span(decoded->samples[0]).last(16000)), 0.3535, 0.03);
  }
}

TEST(Decoder, NeedsConstantMemory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer keeps freed memory, so that peak memory says nothing";
#endif
  const TempFolder folder;
  const auto path = folder.write("hour.wav", wav({.data_size = 115'200'000}, {}));
  std::filesystem::resize_file(path, 115'200'044);  // an hour of zeros that takes no disk
  const auto peak_kib = [] {
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const auto before = peak_kib();
  auto decoder = Decoder::open(path);
  ASSERT_TRUE(decoder.ok());
  ChannelSamples block;
  std::size_t total = 0;
  for (;;) {
    const auto n = (*decoder)->read(block);
    ASSERT_TRUE(n.ok());
    if (*n == 0) break;
    total += *n;
  }
  EXPECT_EQ(total, 57'600'000U);
  EXPECT_LT(peak_kib() - before, 32 * 1024);
}

TEST(Decoder, RefusesWhatIsNoFile) {
  const TempFolder folder;
  const auto code = [&](const std::filesystem::path& path) { return error_of(decode(path), path.string()); };
  EXPECT_EQ(code(folder.path() / "missing.wav"), "not_found");
  EXPECT_EQ(code(folder.path()), "invalid_argument");
  ASSERT_EQ(mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(code(folder.path() / "pipe"), "invalid_argument");
  EXPECT_EQ(code("/dev/zero"), "invalid_argument");
  EXPECT_EQ(code(""), "invalid_argument");
  EXPECT_EQ(decode("").error().message, "no file name: expected an audio or video file");
  EXPECT_EQ(decode(folder.path()).error().message, folder.path().string() + ": is a folder; give the files in it");
  EXPECT_EQ(decode("/dev/zero").error().message, "/dev/zero: pipes and devices cannot be read; give a file");
  EXPECT_EQ(code(folder.write("empty.wav", "")), "audio_empty");
  EXPECT_EQ(error_of(decode_bytes("")), "audio_empty");

  const auto secret = folder.write("secret.wav", wav({}, tone(300, 16000, 1)));
  std::filesystem::permissions(secret, std::filesystem::perms::none);
  std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
  const bool root = geteuid() == 0;  // whom permissions don't bind
  if (root) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  EXPECT_EQ(code(secret), "permission_denied");
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
}

TEST(Decoder, RefusesUnknownFormats) {
  std::string noise(10'000, '\0');
  std::mt19937 random(2);
  for (char& c : noise) c = static_cast<char>(random());
  EXPECT_EQ(error_of(decode_bytes(noise)), "audio_unknown_format");
  EXPECT_EQ(error_of(decode_bytes("x")), "audio_unknown_format");
  EXPECT_EQ(error_of(decode_bytes("This is only text.\n")), "audio_unknown_format");
  EXPECT_EQ(error_of(decode_bytes("RIFF")), "audio_unknown_format");
  // The name alone makes no audio of it.
  std::string text;
  for (int i = 0; i < 100; ++i) text += "This is only text, line " + std::to_string(i) + ".\n";
  for (const char* name : {"a.mp3", "a.aac", "a.m4a", "a.wav", "a.flac", "a.ac3", "a.dts", "a.ogg", "a.amr"}) {
    EXPECT_EQ(error_of(decode_bytes(text, ChannelMode::kMix, name), name), "audio_unknown_format") << name;
  }
}

TEST(Decoder, NeverFollowsPlaylists) {
  const TempFolder folder;
  folder.write("real.wav", wav({}, tone(300, 16000, 1)));
  const std::string hls =
      "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nreal.wav\n#EXT-X-ENDLIST\n";
  const std::string concat = "ffconcat version 1.0\nfile real.wav\n";
  const std::string sdp = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n";
  const std::string dash =
      "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:isoff-on-"
      "demand:2011\" type=\"static\"><Period><AdaptationSet><Representation><BaseURL>real.wav</BaseURL>"
      "</Representation></AdaptationSet></Period></MPD>";
  for (const auto& [name, text] : {std::pair{"a.m3u8", hls},
                                   {"b.wav", hls},
                                   {"a.ffconcat", concat},
                                   {"c.mp3", concat},
                                   {"a.sdp", sdp},
                                   {"a.mpd", dash}}) {
    const auto path = folder.write(name, text);
    EXPECT_EQ(error_of(decode(path), path.string()), "audio_playlist") << name;
  }
}

TEST(Decoder, RefusesFilesWithoutAudio) {
  const std::string picture = "P6\n2 2\n255\n" + std::string(12, 'a');
  EXPECT_EQ(error_of(decode_bytes(picture, ChannelMode::kMix, "a.ppm"), "a.ppm"), "audio_no_stream");
  const std::string subtitles = "1\n00:00:01,000 --> 00:00:02,000\nHello.\n\n2\n00:00:03,000 --> 00:00:04,000\nBye.\n";
  EXPECT_EQ(error_of(decode_bytes(subtitles)), "audio_no_stream");
}

TEST(Decoder, RefusesLyingWavHeaders) {
  const auto samples = tone(300, 16000, 1);
  const auto code = [&](const WavHeader& header) { return error_of(decode_bytes(wav(header, samples))); };
  EXPECT_EQ(code({}), "none");
  EXPECT_EQ(code({.format_tag = 0x1234}), "audio_unsupported_codec");
  EXPECT_EQ(code({.sample_rate = 0}), "audio_corrupt");
  EXPECT_EQ(code({.sample_rate = 999}), "audio_unsupported_parameters");
  EXPECT_EQ(code({.sample_rate = 768'001}), "audio_unsupported_parameters");
  EXPECT_EQ(code({.sample_rate = 0xffffffff}), "audio_corrupt");
  EXPECT_EQ(code({.num_channels = 0}), "audio_unsupported_parameters");
  EXPECT_EQ(code({.num_channels = 65}), "audio_unsupported_parameters");
  EXPECT_EQ(code({.num_channels = 65535}), "audio_unsupported_parameters");
  const std::string whole = wav({}, samples);
  EXPECT_EQ(error_of(decode_bytes(whole.substr(0, 12) + whole.substr(36))), "audio_corrupt");  // no format chunk
  EXPECT_EQ(error_of(decode_bytes(whole.substr(0, 36))), "audio_corrupt");                     // no data chunk
}

TEST(Decoder, TruncationAtEveryHeaderByteIsAnError) {
  const std::string whole = wav({}, tone(300, 16000, 0.1));
  for (std::size_t size = 0; size < 44; ++size) {
    const auto result = decode_bytes(whole.substr(0, size));
    const std::string code = error_of(result);
    EXPECT_EQ(code, size == 0 ? "audio_empty" : size <= 32 ? "audio_unknown_format" : "audio_corrupt") << size;
  }
}

TEST(Decoder, ReadsWhatIsThereWhenTheDataSizeLies) {
  const auto samples = tone(300, 16000, 1);
  for (const std::int64_t size :
       {0LL, 0xffffffffLL, 0xffffffdbLL, 0x80000000LL, 0x7fffffffLL, 0x7ffff000LL, 100'000'000LL, 32'001LL}) {
    const std::string bytes = wav({.data_size = size}, samples);
    const auto decoded = decode_bytes(bytes);
    ASSERT_TRUE(decoded.ok()) << size << decoded.error().message;
    EXPECT_EQ(decoded->samples[0], samples) << size;
    // The others are put by those who can't know the size.
    EXPECT_NEAR(decoded->missing_s, size == 100'000'000 ? 3124 : 0, 1e-3) << size;
    const auto decoder = Decoder::open_memory(std::as_bytes(std::span(bytes)), "upload");
    EXPECT_LT((*decoder)->estimated_duration_s().value_or(0), 1.01) << size;
  }
  const std::string whole = wav({}, samples);
  const auto none = decode_bytes(wav({}, {}));  // a recording of no length is not an error
  ASSERT_TRUE(none.ok()) << none.error().message;
  EXPECT_EQ(none->samples[0].size(), 0U);
  EXPECT_EQ(decode_bytes(whole.substr(0, 44 + 2001))->samples[0].size(), 1000U);
}

TEST(Decoder, SkipsAndCountsDamagedPackets) {
  const TempFolder folder;
  const auto path = folder.path() / "a.flac";
  ASSERT_TRUE(encode(path, "flac", 16000, 1, tone(500, 16000, 10)));
  const std::string whole = read_all(path);
  std::mt19937 random(3);
  std::string damaged = whole;
  for (std::size_t i = whole.size() / 2; i < whole.size() / 2 + 2000; ++i) damaged[i] = static_cast<char>(random());
  const auto decoded = decode_bytes(damaged);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_GT(decoded->num_skipped, 0);
  EXPECT_GT(decoded->samples[0].size(), 100'000U);

  const auto cut = decode_bytes(whole.substr(0, whole.size() / 2));
  ASSERT_TRUE(cut.ok()) << cut.error().message;
  EXPECT_NEAR(static_cast<double>(cut->samples[0].size()), 70'000, 10'000);  // the header takes its share
}

TEST(Decoder, NoticesThatAFileIsCutOff) {
  struct Case {
    const char* name;
    const char* encoder;
    bool announced;  ///< does the header say how long the file is?
  };
  const TempFolder folder;
  for (const Case& c :
       {Case{"a.wav", "pcm_s16le", true}, Case{"b.wav", "adpcm_ima_wav", true}, Case{"a.mp3", "libmp3lame", true},
        Case{"a.flac", "flac", true}, Case{"a.m4a", "aac", true}, Case{"a.mkv", "aac", true},
        Case{"a.webm", "libopus", true}, Case{"a.aiff", "pcm_s16be", true}, Case{"a.au", "pcm_mulaw", true},
        Case{"a.ogg", "libvorbis", false}, Case{"a.opus", "libopus", false}, Case{"a.aac", "aac", false},
        Case{"a.caf", "pcm_s16le", false}}) {
    SCOPED_TRACE(c.name);
    const auto original = folder.path() / c.name;
    const auto indexed = folder.path() / (std::string("indexed_") + c.name);
    ASSERT_TRUE(encode(original, c.encoder, 16000, 1, tone(500, 16000, 20)));
    join_tracks(indexed, {original}, 0);
    const std::string whole = read_all(indexed);
    const auto all = decode_bytes(whole);
    ASSERT_TRUE(all.ok()) << all.error().message;
    EXPECT_EQ(all->missing_s, 0);
    const auto half = decode_bytes(whole.substr(0, whole.size() / 2));
    ASSERT_TRUE(half.ok()) << half.error().message;
    const double decoded_s = static_cast<double>(half->samples[0].size()) / kSampleRate;
    EXPECT_LT(decoded_s, 13);
    EXPECT_NEAR(half->missing_s, c.announced ? 20 - decoded_s : 0, 0.5);
  }
}

TEST(Decoder, CallsNothingMissingForLittle) {
  const auto missing_s = [](double seconds, double held_s) {
    const std::string bytes = wav({}, tone(300, 16000, seconds));
    return decode_bytes(bytes.substr(0, 44 + static_cast<std::size_t>(held_s * 32000)))->missing_s;
  };
  EXPECT_EQ(missing_s(10, 8.1), 0);
  EXPECT_NEAR(missing_s(10, 7.9), 2.1, 1e-3);
  EXPECT_EQ(missing_s(200, 196.1), 0);
  EXPECT_NEAR(missing_s(200, 195.9), 4.1, 1e-3);
}

/// The same as RF64, whose sizes are elsewhere and have 64 bits.
std::string rf64(const std::string& wav, std::uint64_t data_size) {
  std::string sizes(28, '\0');
  for (std::size_t i = 0; i < 8; ++i) sizes[8 + i] = static_cast<char>(data_size >> (8 * i));
  return "RF64\xff\xff\xff\xffWAVEds64" + std::string("\x1c\0\0\0", 4) + sizes + wav.substr(12, 28) +
         "\xff\xff\xff\xff" + wav.substr(44);
}

TEST(Decoder, FindsTheAnnouncedSizeInAnyWav) {
  const auto samples = tone(300, 16000, 10);
  const std::string whole = wav({}, samples);
  const auto missing_s = [](const std::string& bytes) {
    const auto decoded = decode_bytes(bytes);
    if (!decoded) return -1.0;
    EXPECT_NEAR(static_cast<double>(decoded->samples[0].size()), 160'000, 2000);
    return decoded->missing_s;
  };
  EXPECT_EQ(missing_s(rf64(whole, 320'000)), 0);
  EXPECT_NEAR(missing_s(rf64(whole, 640'000)), 10, 1e-3);
  EXPECT_NEAR(missing_s(rf64(whole, 6'400'000'000)), 199'990, 1);
  EXPECT_EQ(missing_s(rf64(whole, INT64_MAX)), 0);
  // A chunk of odd length, and one that leads out of the file.
  std::string lying = wav({.data_size = 640'000}, samples);
  lying.insert(36, std::string("note\x03\0\0\0data", 12));
  EXPECT_NEAR(missing_s(lying), 10, 1e-3);
  const std::string cut = wav({.data_size = 640'000}, {});
  EXPECT_FALSE(decode_bytes(cut.substr(0, 36) + std::string("note\0\0\0\x7f", 8) + cut.substr(36)).ok());
  // Big-endian sizes are not taken for little-endian ones.
  std::string big = "RIFX" + std::string("\0\x04\xe2\x24", 4) + "WAVEfmt " +
                    std::string("\0\0\0\x10\0\x01\0\x01\0\0\x3e\x80\0\0\x7d\0\0\x02\0\x10", 20) + "data" +
                    std::string("\0\x04\xe2\0", 4);
  for (const std::int16_t sample : samples) {
    big.push_back(static_cast<char>(sample >> 8));
    big.push_back(static_cast<char>(sample));
  }
  EXPECT_EQ(missing_s(big), 0);
}

TEST(Decoder, CallsNothingMissingWhereTheDurationIsAGuess) {
  const TempFolder folder;
  // Without its index, an MP3 file whose bit rate grows seems longer than it is.
  std::string joined;
  for (const auto& [name, rate] : {std::pair{"a.mp3", 16000}, {"b.mp3", 44100}}) {
    ASSERT_TRUE(encode(folder.path() / name, "libmp3lame", rate, 1, tone(500, rate, 10)));
    const std::string bytes = read_all(folder.path() / name);
    const std::size_t index = std::min(bytes.find("Xing"), bytes.find("Info"));
    ASSERT_LT(index, bytes.size());
    joined += bytes.substr(bytes.find(bytes.substr(bytes.rfind('\xff', index), 2), index));
  }
  const auto decoded = decode_bytes(joined);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_GT(decoded->estimated_s, 23);
  EXPECT_NEAR(static_cast<double>(decoded->samples[0].size()) / kSampleRate, 20, 0.5);
  EXPECT_EQ(decoded->missing_s, 0);
}

TEST(Decoder, TakesTheDefaultOfSeveralTracks) {
  const TempFolder folder;
  ASSERT_TRUE(encode(folder.path() / "short.m4a", "aac", 16000, 1, tone(500, 16000, 3)));
  ASSERT_TRUE(encode(folder.path() / "long.m4a", "aac", 16000, 1, tone(500, 16000, 20)));
  for (const char* name : {"a.mkv", "a.mp4"}) {
    const auto path = folder.path() / name;
    for (const int track : {0, 1}) {
      SCOPED_TRACE(std::string(name) + std::to_string(track));
      join_tracks(path, {folder.path() / "short.m4a", folder.path() / "long.m4a"}, track);
      const auto decoded = decode(path);
      ASSERT_TRUE(decoded.ok()) << decoded.error().message;
      EXPECT_EQ(decoded->num_tracks, 2);
      EXPECT_EQ(decoded->track, track + 1);
      EXPECT_NEAR(static_cast<double>(decoded->samples[0].size()) / kSampleRate, track == 0 ? 3 : 20, 0.1);
      EXPECT_EQ(decoded->missing_s, 0);  // even where another track is longer
    }
    const std::string whole = read_all(path);
    const auto cut = decode_bytes(whole.substr(0, whole.size() / 2));
    ASSERT_TRUE(cut.ok()) << cut.error().message;
    EXPECT_GT(cut->missing_s, 5);
  }
}

TEST(Decoder, RefusesDamagedContainers) {
  const TempFolder folder;
  ASSERT_TRUE(encode(folder.path() / "a.flac", "flac", 16000, 1, tone(500, 16000, 2)));
  ASSERT_TRUE(encode(folder.path() / "a.m4a", "aac", 16000, 1, tone(500, 16000, 2)));
  const auto code = [](const std::string& bytes) { return error_of(decode_bytes(bytes)); };
  // FLAC: the stream's header, then nothing that is a frame.
  const std::string flac = read_all(folder.path() / "a.flac");
  const std::string header = flac.substr(0, flac.find("\xff\xf8"));
  EXPECT_EQ(code(header + std::string(20'000, 'x')), "audio_corrupt");
  EXPECT_EQ(code(header), "audio_corrupt");
  // MP4: cut off before its index, which is the usual broken recording.
  const std::string m4a = read_all(folder.path() / "a.m4a");
  EXPECT_EQ(code(m4a.substr(0, m4a.find("moov") - 4)), "audio_corrupt");
  // MP4: its packets overwritten.
  std::string overwritten = m4a;
  const std::size_t data = m4a.find("mdat") + 4;
  std::fill(overwritten.begin() + static_cast<std::ptrdiff_t>(data),
            overwritten.begin() + static_cast<std::ptrdiff_t>(m4a.find("moov") - 4), '\xff');
  EXPECT_EQ(code(overwritten), "audio_corrupt");
  // MP4: an unknown coding.
  std::string unknown = m4a;
  unknown.replace(unknown.find("mp4a"), 4, "zzzz");
  unknown.replace(unknown.find("esds"), 4, "free");
  EXPECT_EQ(code(unknown), "audio_unsupported_codec");
  // FLV: a header that no track follows.
  EXPECT_EQ(code(std::string("FLV\x01\x05\0\0\0\x09", 9) + std::string(200, '\0')), "audio_corrupt");
  // WAV: a coding that can't have so many channels. Known on opening.
  const std::string adpcm = wav({.format_tag = 0x11, .num_channels = 3, .bits = 4}, tone(300, 16000, 1));
  const auto opened = Decoder::open_memory(std::as_bytes(std::span(adpcm)), "upload");
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::kAudioCorrupt);
}

TEST(Decoder, StaysAtAnError) {
  const TempFolder folder;
  ASSERT_TRUE(encode(folder.path() / "a.flac", "flac", 16000, 1, tone(500, 16000, 2)));
  const std::string flac = read_all(folder.path() / "a.flac");
  const std::string bytes = flac.substr(0, flac.find("\xff\xf8")) + std::string(20'000, 'x');
  auto decoder = Decoder::open_memory(std::as_bytes(std::span(bytes)), "upload");
  ASSERT_TRUE(decoder.ok());
  ChannelSamples block;
  for (int i = 0; i < 2; ++i) {
    const auto n = (*decoder)->read(block);
    ASSERT_FALSE(n.ok());
    EXPECT_EQ(n.error().code, ErrorCode::kAudioCorrupt);
  }
}

TEST(Decoder, CanBeCancelled) {
  const std::string bytes = wav({.sample_rate = 48000}, tone(300, 48000, 60));
  std::stop_source stop;
  auto decoder = Decoder::open_memory(std::as_bytes(std::span(bytes)), "upload", {ChannelMode::kMix, stop.get_token()});
  ASSERT_TRUE(decoder.ok());
  ChannelSamples block;
  ASSERT_GT((*decoder)->read(block).value(), 0U);
  stop.request_stop();
  EXPECT_EQ((*decoder)->read(block).error().code, ErrorCode::kCancelled);
  EXPECT_EQ(Decoder::open_memory(std::as_bytes(std::span(bytes)), "upload", {ChannelMode::kMix, stop.get_token()})
                .error()
                .code,
            ErrorCode::kCancelled);
}

/// Calls a function for every line that is logged.
class CallingSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit CallingSink(std::function<void()> on_line) : on_line_(std::move(on_line)) {}

 private:
  void sink_it_(const spdlog::details::log_msg&) override { on_line_(); }
  void flush_() override {}
  std::function<void()> on_line_;
};

TEST(Decoder, CanBeCancelledWhileItOpens) {
  const TempFolder folder;
  ASSERT_TRUE(encode(folder.path() / "a.m4a", "aac", 16000, 1, tone(500, 16000, 2)));
  std::string bytes = read_all(folder.path() / "a.m4a");
  bytes.resize(bytes.find("moov") - 4);  // which FFmpeg complains about before it gives up
  std::stop_source stop;
  const auto before = spdlog::default_logger();
  auto logger = std::make_shared<spdlog::logger>("", std::make_shared<CallingSink>([&] { stop.request_stop(); }));
  logger->set_level(spdlog::level::debug);
  spdlog::set_default_logger(logger);
  const auto decoder =
      Decoder::open_memory(std::as_bytes(std::span(bytes)), "upload", {ChannelMode::kMix, stop.get_token()});
  spdlog::set_default_logger(before);
  ASSERT_TRUE(stop.stop_requested());
  EXPECT_EQ(decoder.error().code, ErrorCode::kCancelled);
}

TEST(Decoder, ReportsADiskThatFails) {
  const TempFolder folder;
  const auto path = folder.write("a.wav", wav({.sample_rate = 48000}, tone(300, 48000, 60)));
  auto decoder = Decoder::open(path);
  ASSERT_TRUE(decoder.ok());
  ChannelSamples block;
  ASSERT_GT((*decoder)->read(block).value(), 0U);
  // From here on the decoder's descriptor is that of a folder, which can't be read.
  const int broken = ::open(folder.path().c_str(), O_RDONLY);
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(entry.path(), error) == path) {
      ASSERT_GE(dup2(broken, std::stoi(entry.path().filename())), 0);
    }
  }
  ::close(broken);
  for (;;) {
    const auto n = (*decoder)->read(block);
    if (n.ok() && *n > 0) continue;
    ASSERT_FALSE(n.ok());
    EXPECT_EQ(n.error().code, ErrorCode::kIoError);
    break;
  }
}

TEST(Decoder, SurvivesRandomDamage) {
  const TempFolder folder;
  const auto samples = tone(500, 16000, 1);
  std::mt19937 random(4);
  for (const auto& [name, encoder] : {std::pair{"a.flac", "flac"},
                                      {"a.mp3", "libmp3lame"},
                                      {"a.m4a", "aac"},
                                      {"a.webm", "libopus"},
                                      {"a.ogg", "libvorbis"}}) {
    ASSERT_TRUE(encode(folder.path() / name, encoder, 16000, 1, samples));
    const std::string whole = read_all(folder.path() / name);
    for (int round = 0; round < 20; ++round) {
      std::string bytes = whole.substr(0, 1 + random() % whole.size());
      for (int i = 0; i < 10; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
      const auto decoded = decode_bytes(bytes);
      if (decoded.ok()) {
        EXPECT_LT(decoded->samples[0].size(), 16U * 100'000U);
      } else {
        EXPECT_TRUE(error_of(decoded).starts_with("audio_")) << error_of(decoded);
      }
    }
  }
}

TEST(Decoder, ReadsTheTestSpeech) {
  const std::filesystem::path folder = STENOD_SOURCE_DIR "/../shared/speech/audio";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no test speech at " << folder;
  for (const auto& [name, seconds] : {std::pair{"jfk", 1.0}, {"fleurs", 1.0}, {"music-moh", 1.0}}) {
    int num_files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder / name)) {
      if (entry.path().extension() == ".json" || ++num_files > 3) continue;
      const auto decoded = decode(entry.path());
      ASSERT_TRUE(decoded.ok()) << decoded.error().message;
      EXPECT_GT(static_cast<double>(decoded->samples[0].size()), seconds * kSampleRate) << entry.path();
      EXPECT_EQ(decoded->num_skipped, 0) << entry.path();
      EXPECT_EQ(decoded->missing_s, 0) << entry.path();
      EXPECT_GT(rms(decoded->samples[0]), 0.001) << entry.path();
    }
    EXPECT_GT(num_files, 0) << name;
  }
}

}  // namespace
}  // namespace stenod::audio
