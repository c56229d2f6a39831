#include "audio/stream_decoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>

#include "audio/opus_packet.h"
#include "audio/testing/audio_files.h"
#include "audio/wav_header.h"

namespace stenod::audio {
namespace {

using testing::encode;
using testing::read_packets;
using testing::rms;
using testing::TempFolder;
using testing::tone;
using testing::wav;

/// 2 ms: what the resampler holds back at most.
constexpr std::int64_t kMaxDelaySamples = 32;
constexpr std::size_t kWhole = std::numeric_limits<std::size_t>::max();

struct Decoded {
  ChannelSamples samples;
  StreamCounters counters;
  std::int64_t num_input_frames = 0;
  int input_sample_rate = 0;
  std::size_t first_at = 0;  ///< bytes pushed when the first samples came
};

std::unique_ptr<StreamDecoder> make(const StreamFormat& format) {
  auto decoder = StreamDecoder::create(format);
  EXPECT_TRUE(decoder.ok()) << decoder.error().message;
  return std::move(decoder).value();
}

void append(const ChannelSamples& block, Decoded& out) {
  ASSERT_EQ(block.size(), out.samples.size());
  for (std::size_t c = 0; c < block.size(); ++c) {
    ASSERT_EQ(block[c].size(), block[0].size());
    out.samples[c].insert(out.samples[c].end(), block[c].begin(), block[c].end());
  }
}

Result<Decoded> finish(StreamDecoder& decoder, Decoded out) {
  ChannelSamples block;
  STENOD_RETURN_IF_ERROR(decoder.finish(block));
  append(block, out);
  out.counters = decoder.counters();
  out.num_input_frames = decoder.num_input_frames();
  out.input_sample_rate = decoder.input_sample_rate();
  return out;
}

Decoded empty(const StreamFormat& format) {
  Decoded out;
  out.samples.resize(static_cast<std::size_t>(format.num_channels));
  return out;
}

/// In messages of `size` bytes.
Result<Decoded> decode(const StreamFormat& format, const std::string& bytes, std::size_t size = kWhole) {
  const auto decoder = make(format);
  Decoded out = empty(format);
  auto rest = std::as_bytes(std::span(bytes));
  ChannelSamples block;
  while (!rest.empty()) {
    const auto message = rest.first(std::min(size, rest.size()));
    rest = rest.subspan(message.size());
    STENOD_RETURN_IF_ERROR(decoder->push(message, block));
    append(block, out);
    if (out.first_at == 0 && !out.samples[0].empty()) out.first_at = bytes.size() - rest.size();
  }
  return finish(*decoder, std::move(out));
}

Result<Decoded> decode_packets(const StreamFormat& format, const std::vector<std::string>& packets) {
  const auto decoder = make(format);
  Decoded out = empty(format);
  ChannelSamples block;
  for (const std::string& packet : packets) {
    STENOD_RETURN_IF_ERROR(decoder->push(std::as_bytes(std::span(packet)), block));
    append(block, out);
  }
  return finish(*decoder, std::move(out));
}

ChannelSamples decode_file(const std::string& bytes, ChannelMode mode = ChannelMode::kMix) {
  auto decoder = Decoder::open_memory(std::as_bytes(std::span(bytes)), "file", {mode, {}});
  EXPECT_TRUE(decoder.ok());
  ChannelSamples all(static_cast<std::size_t>((*decoder)->num_channels()));
  ChannelSamples block;
  while (*(*decoder)->read(block) > 0) {
    for (std::size_t c = 0; c < block.size(); ++c) all[c].insert(all[c].end(), block[c].begin(), block[c].end());
  }
  return all;
}

template <typename Value>
std::string bytes_of(const std::vector<Value>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value)};
}

std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<float> as_floats(const std::vector<std::int16_t>& samples) {
  std::vector<float> floats;
  for (const std::int16_t sample : samples) floats.push_back(static_cast<float>(sample) / 32768.0f);
  return floats;
}

std::string random_bytes(std::size_t size, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

/// What a browser's MediaRecorder makes: WebM with Opus, of no known length and without an index.
std::string live_webm(double hz = 440, double seconds = 2, int num_channels = 1) {
  const TempFolder folder;
  std::vector<std::int16_t> samples;
  for (const std::int16_t sample : tone(hz, 48000, seconds)) samples.insert(samples.end(), num_channels, sample);
  EXPECT_TRUE(encode(folder.path() / "a.webm", "libopus", 48000, num_channels, samples, "live=1"));
  return read_all(folder.path() / "a.webm");
}

std::string encoded(const std::string& name, const std::string& encoder, int sample_rate,
                    const std::string& options = {}) {
  const TempFolder folder;
  EXPECT_TRUE(encode(folder.path() / name, encoder, sample_rate, 1, tone(440, sample_rate, 2), options));
  return read_all(folder.path() / name);
}

/// A WAV file as a program writes it that doesn't know how much will come.
std::string endless_wav() { return wav({.data_size = UINT32_MAX}, tone(440, 16000, 2)); }

std::vector<std::string> opus_packets(int num_channels = 1, double seconds = 2) {
  const TempFolder folder;
  std::vector<std::int16_t> samples;
  for (const std::int16_t sample : tone(440, 48000, seconds)) samples.insert(samples.end(), num_channels, sample);
  EXPECT_TRUE(encode(folder.path() / "a.opus", "libopus", 48000, num_channels, samples));
  return read_packets(folder.path() / "a.opus");
}

double frequency(std::span<const std::int16_t> samples) {
  int crossings = 0;
  for (std::size_t i = 1; i < samples.size(); ++i) crossings += samples[i - 1] < 0 && samples[i] >= 0 ? 1 : 0;
  return crossings * 16000.0 / static_cast<double>(samples.size());
}

template <typename T>
std::string error_of(const Result<T>& result) {
  if (result.ok()) return "none";
  EXPECT_GT(result.error().message.size(), 20U);
  return std::string(error_name(result.error().code));
}

struct Case {
  const char* name;
  StreamFormat format;
  std::string bytes;
};

std::vector<Case> cases() {
  using enum StreamEncoding;
  const auto floats = [](int rate) { return bytes_of(as_floats(tone(440, rate, 2))); };
  const auto integers = [](int rate) { return bytes_of(tone(440, rate, 2)); };
  return {{"f32le", {kFloat32, 16000, 1}, floats(16000)},
          {"f32le 44.1 kHz", {kFloat32, 44100, 1}, floats(44100)},
          {"f32le undeclared", {}, floats(16000)},
          {"f32le undeclared, 2 channels, 48 kHz", {kAuto, 48000, 2}, floats(48000)},
          {"s16le", {kInt16, 16000, 1}, integers(16000)},
          {"s16le 8 channels, 8 kHz", {kInt16, 8000, 8}, integers(64000)},
          {"s16le 3 channels, 47.999 kHz", {kInt16, 47999, 3}, integers(48000)},
          {"mulaw", {kMuLaw, 8000, 1}, random_bytes(16000)},
          {"alaw 2 channels", {kALaw, 8000, 2}, random_bytes(16000)},
          {"webm", {}, live_webm()},
          {"webm, short", {}, live_webm(440, 0.25)},
          {"webm as opus", {kOpus, 48000, 1}, live_webm()},
          {"ogg opus", {}, encoded("a.opus", "libopus", 48000)},
          {"ogg vorbis", {}, encoded("a.ogg", "libvorbis", 44100)},
          {"ogg flac", {}, encoded("a.oga", "flac", 16000)},
          {"flac", {}, encoded("a.flac", "flac", 16000)},
          {"mp3", {}, encoded("a.mp3", "libmp3lame", 16000)},
          {"mp4 in fragments",
           {},
           encoded("a.mp4", "aac", 44100, "movflags=frag_keyframe+empty_moov+default_base_moof:frag_duration=200000")},
          {"wav", {}, endless_wav()}};
}

TEST(StreamDecoder, DoesNotDependOnHowBytesAreCut) {
  for (const auto& [name, format, bytes] : cases()) {
    SCOPED_TRACE(name);
    const auto whole = decode(format, bytes);
    ASSERT_TRUE(whole.ok()) << whole.error().message;
    EXPECT_GT(whole->samples[0].size(), 3000U);
    for (const std::size_t size : {1, 7, 997, 4096}) {
      // Each message to a container wakes another thread, which takes long on a busy machine.
      const bool is_container = begins_container(std::as_bytes(std::span(bytes)));
      if (bytes.size() / size > (is_container ? 5000 : 100'000)) continue;
      if (format.encoding == StreamEncoding::kOpus && size < 4) continue;
      const auto cut = decode(format, bytes, size);
      ASSERT_TRUE(cut.ok()) << size << cut.error().message;
      EXPECT_EQ(cut->samples, whole->samples) << size;
      EXPECT_EQ(cut->num_input_frames, whole->num_input_frames) << size;
      EXPECT_EQ(cut->counters.num_ignored_bytes, whole->counters.num_ignored_bytes) << size;
    }
  }
}

TEST(StreamDecoder, ContainersAgreeWithTheFileDecoder) {
  for (const auto& [name, format, bytes] : cases()) {
    SCOPED_TRACE(name);
    const auto decoded = decode(format, bytes);
    if (format.encoding != StreamEncoding::kAuto || std::string_view(name).starts_with("f32")) continue;
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    const std::span samples(decoded->samples[0]);
    // Only a file's decoder can know how much of an MP3 stream's end is padding.
    if (std::string_view(name) != "mp3") {
      EXPECT_EQ(decoded->samples, decode_file(bytes));
    }
    EXPECT_NEAR(frequency(samples.subspan(samples.size() / 4, samples.size() / 2)), 440, 10);
    EXPECT_NEAR(static_cast<double>(samples.size()),
                static_cast<double>(decoded->num_input_frames) * 16000 / decoded->input_sample_rate, 1);
  }
}

TEST(StreamDecoder, GivesIntegersOf16KHzUnchanged) {
  std::vector<std::int16_t> samples(50'000);
  std::mt19937 random(1);
  for (auto& sample : samples) sample = static_cast<std::int16_t>(random());
  const auto decoded = decode({StreamEncoding::kInt16, 16000, 1}, bytes_of(samples), 999);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->samples[0], samples);
}

TEST(StreamDecoder, RoundsFloatsAsTheFileDecoderDoes) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> samples = {1, -1, 0.5f / 32768, 1.5f / 32768, -0.5f / 32768, 32767.4f / 32768, 32767.6f / 32768};
  while (samples.size() < 30'000) samples.push_back(uniform(random));
  const std::string bytes = bytes_of(samples);
  for (const int rate : {16000, 44100}) {
    const std::string file = wav({.format_tag = 3,
                                  .sample_rate = static_cast<std::uint32_t>(rate),
                                  .bits = 32,
                                  .data_size = static_cast<std::int64_t>(bytes.size())},
                                 {}) +
                             bytes;
    const auto decoded = decode({StreamEncoding::kFloat32, rate, 1}, bytes);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->counters.num_clipped, 0);
    auto expected = decode_file(file);
    expected[0].resize(decoded->samples[0].size());
    EXPECT_EQ(decoded->samples, expected) << rate;
  }
}

TEST(StreamDecoder, MakesNumbersOfWhatIsNone) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float max = std::numeric_limits<float>::max();
  const float least = std::numeric_limits<float>::denorm_min();
  const std::vector<float> samples = {0.5f, nan, inf, -inf, -nan, 1.0f, 1.5f, -1.0f, -max, max, least, -0.25f};
  const auto decoded = decode({StreamEncoding::kFloat32, 16000, 1}, bytes_of(samples), 3);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->samples[0],
            (std::vector<std::int16_t>{16384, 0, 0, 0, 0, 32767, 32767, -32768, -32768, 32767, 0, -8192}));
  EXPECT_EQ(decoded->counters.num_not_finite, 4);
  EXPECT_EQ(decoded->counters.num_clipped, 3);
  EXPECT_EQ(decoded->num_input_frames, 12);
}

TEST(StreamDecoder, ReadsAllCodesOfG711) {
  std::string codes;
  for (int code = 0; code < 256; ++code) codes.push_back(static_cast<char>(code));
  for (const auto& [encoding, tag] :
       {std::pair(StreamEncoding::kMuLaw, std::uint16_t{7}), std::pair(StreamEncoding::kALaw, std::uint16_t{6})}) {
    const auto decoded = decode({encoding, 16000, 1}, codes);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->samples, decode_file(wav({.format_tag = tag, .bits = 8, .data_size = 256}, {}) + codes));
  }
  // From the tables of G.711 itself, for the quietest and loudest: 14 bits for mu-law, 13 for A-law.
  const auto mulaw = *decode({StreamEncoding::kMuLaw, 16000, 1}, "\x80\xff\x7f\xfe" + std::string(1, '\0'));
  EXPECT_EQ(mulaw.samples[0], (std::vector<std::int16_t>{8031 * 4, 0, 0, 2 * 4, -8031 * 4}));
  const auto alaw = *decode({StreamEncoding::kALaw, 16000, 1}, "\xaa\xd5\x55\x2a");
  EXPECT_EQ(alaw.samples[0], (std::vector<std::int16_t>{4032 * 8, 8, -8, -4032 * 8}));
}

TEST(StreamDecoder, KeepsChannelsApart) {
  std::vector<std::int16_t> samples;
  for (std::int16_t i = 0; i < 1000; ++i) samples.insert(samples.end(), {i, static_cast<std::int16_t>(-i), 77});
  const auto decoded = decode({StreamEncoding::kInt16, 16000, 3}, bytes_of(samples), 1001);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->num_input_frames, 1000);
  for (std::int16_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(decoded->samples[0][i], i);
    ASSERT_EQ(decoded->samples[1][i], -i);
    ASSERT_EQ(decoded->samples[2][i], 77);
  }
}

TEST(StreamDecoder, CountsBytesThatMakeNoFrame) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{2}, kWhole}) {
    const auto decoded = decode({StreamEncoding::kInt16, 16000, 2}, std::string(4 * 10 + 3, 'x'), size);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->samples[0].size(), 10U);
    EXPECT_EQ(decoded->num_input_frames, 10);
    EXPECT_EQ(decoded->counters.num_ignored_bytes, 3);
  }
}

TEST(StreamDecoder, KeepsFrequencyAndLevel) {
  for (const int rate : {8000, 11025, 16000, 22050, 32000, 44100, 47999, 48000}) {
    for (const double hz : {100.0, 1000.0, 3000.0}) {
      const auto decoded = decode({StreamEncoding::kInt16, rate, 1}, bytes_of(tone(hz, rate, 2)), 4096);
      ASSERT_TRUE(decoded.ok());
      const std::span middle(decoded->samples[0].data() + 8000, 16000);
      EXPECT_NEAR(frequency(middle), hz, 1.5) << rate;
      EXPECT_NEAR(rms(middle), 0.3535, 0.005) << rate << ' ' << hz;
    }
  }
  // What 16 kHz can't hold must not fold down.
  const auto high = decode({StreamEncoding::kInt16, 48000, 1}, bytes_of(tone(12000, 48000, 1)));
  EXPECT_LT(rms(std::span(high->samples[0]).subspan(1000, 14000)), 0.001);
}

TEST(StreamDecoder, ClockIsRightAfterAnHour) {
  for (const int rate : {8000, 44100, 47999}) {
    const auto decoder = make({StreamEncoding::kMuLaw, rate, 1});
    const std::string second(static_cast<std::size_t>(rate), '\x42');
    ChannelSamples block;
    std::int64_t num_samples = 0;
    for (std::int64_t i = 1; i <= 3600; ++i) {
      ASSERT_TRUE(decoder->push(std::as_bytes(std::span(second)), block).ok());
      num_samples += static_cast<std::int64_t>(block[0].size());
      ASSERT_LE(num_samples, i * 16000);
      ASSERT_GE(num_samples, i * 16000 - kMaxDelaySamples) << rate;
    }
    ASSERT_TRUE(decoder->finish(block).ok());
    num_samples += static_cast<std::int64_t>(block[0].size());
    EXPECT_EQ(num_samples, 3600 * 16000) << rate;
    EXPECT_EQ(decoder->num_input_frames(), std::int64_t{3600} * rate);
  }
}

TEST(StreamDecoder, LengthIsExactForAnyNumberOfFrames) {
  for (const int rate : {8000, 11025, 44100, 48000}) {
    for (const std::int64_t num_frames : {1, 2, 3, 17, 441, 1000, 9999}) {
      const auto decoded = decode({StreamEncoding::kInt16, rate, 1}, std::string(2 * num_frames, 'a'), 64);
      ASSERT_TRUE(decoded.ok());
      EXPECT_EQ(static_cast<std::int64_t>(decoded->samples[0].size()), (num_frames * 16000 + rate / 2) / rate)
          << rate << ' ' << num_frames;
    }
  }
}

TEST(StreamDecoder, FewBytesAreFloatsInTheEnd) {
  for (const std::size_t num_bytes : {0, 1, 3, 4, 7}) {
    const auto decoded = decode({}, std::string("\0\0\0\x3f\0\0\0", num_bytes), 1);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->samples[0], std::vector<std::int16_t>(num_bytes / 4, 16384));
    EXPECT_EQ(decoded->counters.num_ignored_bytes, static_cast<std::int64_t>(num_bytes % 4));
  }
  // The beginning of a container's first bytes, and then something else.
  const auto riff = decode({}, "RIFFabcdWAVExx", 13);
  EXPECT_EQ(error_of(riff), "audio_corrupt");
  const auto other = decode({}, "RIFFabcdWAVY", 5);
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(other->num_input_frames, 3);
}

TEST(StreamDecoder, RefusesImpossibleFormats) {
  using enum StreamEncoding;
  const auto error = [](StreamFormat format) {
    const auto decoder = StreamDecoder::create(format);
    if (decoder.ok()) return std::string("none");
    return std::string(error_name(decoder.error().code)) + ' ' + decoder.error().param;
  };
  EXPECT_EQ(error({kInt16, 7999, 1}), "invalid_argument sample_rate");
  EXPECT_EQ(error({kInt16, 48001, 1}), "invalid_argument sample_rate");
  EXPECT_EQ(error({kAuto, -1, 1}), "invalid_argument sample_rate");
  EXPECT_EQ(error({kInt16, 16000, 0}), "invalid_argument channels");
  EXPECT_EQ(error({kInt16, 16000, 9}), "invalid_argument channels");
  EXPECT_EQ(error({kOpus, 16000, 3}), "invalid_argument channels");
  EXPECT_EQ(error({kOpus, 48000, 2}), "none");
  EXPECT_EQ(error({kInt16, 8000, 8}), "none");
}

TEST(StreamDecoder, ParsesNamesOfEncodings) {
  EXPECT_EQ(parse_stream_encoding("s16le"), StreamEncoding::kInt16);
  EXPECT_EQ(parse_stream_encoding("auto"), StreamEncoding::kAuto);
  EXPECT_EQ(parse_stream_encoding("S16LE"), std::nullopt);
  EXPECT_EQ(parse_stream_encoding(""), std::nullopt);
}

TEST(StreamDecoder, DecodesOpusPackets) {
  for (const int num_coded : {1, 2}) {
    for (const int num_channels : {1, 2}) {
      const auto packets = opus_packets(num_coded);
      const auto decoded = decode_packets({StreamEncoding::kOpus, 16000, num_channels}, packets);
      ASSERT_TRUE(decoded.ok()) << decoded.error().message;
      EXPECT_EQ(decoded->input_sample_rate, 48000);
      EXPECT_EQ(decoded->num_input_frames, static_cast<std::int64_t>(packets.size()) * 960);
      EXPECT_EQ(decoded->counters.num_damaged_packets, 0);
      for (const auto& channel : decoded->samples) {
        EXPECT_EQ(channel.size(), packets.size() * 320);
        EXPECT_NEAR(frequency(std::span(channel).subspan(8000, 16000)), 440, 1.5);
        EXPECT_NEAR(rms(std::span(channel).subspan(8000, 16000)), 0.3535, 0.02);
      }
    }
  }
}

TEST(StreamDecoder, DamagedOpusPacketsAreSilenceOfTheirLength) {
  auto packets = opus_packets();
  const auto num_packets = static_cast<std::int64_t>(packets.size());
  ASSERT_GT(num_packets, 90);
  packets[40] = "\xff";  // code 3 without its second byte
  // CELT frames of 20 ms, a variable number of bytes each, which are longer than the packet: three frames.
  packets[60] = "\xff\x83\xf0\xf0zz";
  const auto decoded = decode_packets({StreamEncoding::kOpus, 48000, 1}, packets);
  ASSERT_TRUE(decoded.ok()) << decoded.error().message;
  EXPECT_EQ(decoded->counters.num_damaged_packets, 2);
  EXPECT_EQ(decoded->num_input_frames, (num_packets + 2) * 960);
  const std::span samples(decoded->samples[0]);
  EXPECT_EQ(static_cast<std::int64_t>(samples.size()), (num_packets + 2) * 320);
  EXPECT_LT(rms(samples.subspan(40 * 320 + 32, 280)), 0.01);
  EXPECT_LT(rms(samples.subspan(60 * 320 + 32, 920)), 0.01);
  EXPECT_NEAR(rms(samples.subspan(50 * 320, 320 * 8)), 0.3535, 0.03);
  EXPECT_NEAR(rms(samples.subspan(70 * 320, 320 * 8)), 0.3535, 0.03);
}

TEST(StreamDecoder, OpusPacketsOfNoSpeechAreSilence) {
  auto packets = opus_packets();
  const auto num_packets = packets.size();
  packets.insert(packets.begin() + 50, 50, packets[50].substr(0, 1));
  packets.insert(packets.begin(), "");  // says nothing, and is nothing
  const auto decoded = decode_packets({StreamEncoding::kOpus, 48000, 1}, packets);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->counters.num_damaged_packets, 0);
  EXPECT_EQ(decoded->samples[0].size(), (num_packets + 50) * 320);
  EXPECT_LT(rms(std::span(decoded->samples[0]).subspan(51 * 320, 48 * 320)), 0.001);
}

TEST(StreamDecoder, RefusesWhatIsNoOpus) {
  const StreamFormat format = {StreamEncoding::kOpus, 48000, 1};
  EXPECT_EQ(error_of(decode_packets(format, {std::string(kMaxOpusPacketBytes + 1, 'x')})), "audio_corrupt");
  const std::vector<std::string> garbage(49, std::string("\xff\0\0\0", 4));
  const auto nearly = decode_packets(format, garbage);
  ASSERT_TRUE(nearly.ok());
  EXPECT_EQ(nearly->counters.num_damaged_packets, 49);
  EXPECT_EQ(nearly->samples[0].size(), 49U * 320);
  auto more = garbage;
  more.push_back(garbage[0]);
  EXPECT_EQ(error_of(decode_packets(format, more)), "audio_corrupt");
  auto late = opus_packets();
  late.insert(late.end(), 200, garbage[0]);
  EXPECT_EQ(error_of(decode_packets(format, late)), "none");
}

TEST(OpusPacket, AnnouncesItsLength) {
  const auto samples = [](std::string_view bytes) {
    return opus_packet_samples(std::as_bytes(std::span(bytes))).value_or(-1);
  };
  // Configurations 0 to 31 of RFC 6716, table 2, in units of 2.5 ms.
  const int lengths[] = {4, 8, 16, 24, 4, 8, 16, 24, 4, 8, 16, 24, 4, 8, 4, 8,
                         1, 2, 4,  8,  1, 2, 4,  8,  1, 2, 4,  8,  1, 2, 4, 8};
  for (int config = 0; config < 32; ++config) {
    for (int code = 0; code < 3; ++code) {
      const char first = static_cast<char>(config << 3 | code);
      EXPECT_EQ(samples(std::string(1, first)), lengths[config] * 120 * (code == 0 ? 1 : 2)) << config;
    }
  }
  EXPECT_EQ(samples(""), -1);
  EXPECT_EQ(samples("\x1b"), -1) << "the number of frames is missing";
  EXPECT_EQ(samples("\x1b\x02"), 2 * 2880);
  EXPECT_EQ(samples("\x1b\x03"), -1) << "180 ms";
  EXPECT_EQ(samples(std::string_view("\x1b\x00", 2)), -1) << "no frames";
  EXPECT_EQ(samples("\xff\x86"), 6 * 960);
  EXPECT_EQ(samples("\xe3\x30"), 48 * 120);
  EXPECT_EQ(samples("\xe3\x31"), -1) << "49 frames";
}

TEST(StreamDecoder, WebmComesAtOnce) {
  const std::string bytes = live_webm(440, 4);
  const auto decoded = decode({}, bytes, 16);
  ASSERT_TRUE(decoded.ok());
  EXPECT_LT(decoded->first_at, 1000U);
  // After half of the bytes there is half of the sound, but for a packet or two.
  const auto decoder = make({});
  ChannelSamples block;
  ASSERT_TRUE(decoder->push(std::as_bytes(std::span(bytes)).first(bytes.size() / 2), block).ok());
  EXPECT_NEAR(static_cast<double>(block[0].size()), 32000, 1600);
  EXPECT_EQ(decoder->input_sample_rate(), 48000);
  EXPECT_NEAR(static_cast<double>(decoder->num_input_frames()), 96000, 4800);
}

TEST(StreamDecoder, MixesOrSplitsChannelsOfContainers) {
  const std::string stereo = live_webm(440, 1, 2);
  const auto mixed = decode({}, stereo, 100);
  ASSERT_TRUE(mixed.ok());
  EXPECT_EQ(mixed->samples, decode_file(stereo));
  const auto split = decode({StreamEncoding::kAuto, 16000, 2}, stereo, 100);
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(split->samples, decode_file(stereo, ChannelMode::kSplit));
  EXPECT_EQ(error_of(decode({StreamEncoding::kAuto, 16000, 3}, stereo)), "audio_unsupported_parameters");
  EXPECT_EQ(error_of(decode({StreamEncoding::kAuto, 16000, 2}, live_webm())), "audio_unsupported_parameters");
}

TEST(StreamDecoder, OneContainerMayFollowAnother) {
  const std::string webm = live_webm(440, 1);
  const auto twice = decode({}, webm + webm, 500);
  ASSERT_TRUE(twice.ok()) << twice.error().message;
  EXPECT_NEAR(static_cast<double>(twice->samples[0].size()), 32000, 320);
  EXPECT_NEAR(frequency(twice->samples[0]), 440, 5);
  const std::string ogg = encoded("a.ogg", "libvorbis", 16000);
  const auto chained = decode({}, ogg + ogg, 500);
  ASSERT_TRUE(chained.ok()) << chained.error().message;
  EXPECT_NEAR(static_cast<double>(chained->samples[0].size()), 64000, 2000);
}

TEST(StreamDecoder, WavComesAtOnceAndPieceByPiece) {
  const auto samples = tone(440, 16000, 0.25);
  const std::string piece = wav({}, samples);
  const auto one = decode({}, piece, 16);
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->first_at, 48U) << "44 bytes are the header";
  // Some clients send each piece as a file of its own.
  const auto four = decode({}, piece + piece + piece + piece, 999);
  ASSERT_TRUE(four.ok());
  std::vector<std::int16_t> expected;
  for (int i = 0; i < 4; ++i) expected.insert(expected.end(), samples.begin(), samples.end());
  EXPECT_EQ(four->samples[0], expected);
  EXPECT_EQ(four->counters.num_ignored_bytes, 0);
  // What else may follow: tags, another format, the beginning of a header.
  for (const std::string& rest :
       {"LIST" + std::string(100, 'x'), wav({.sample_rate = 8000}, samples), piece.substr(0, 43)}) {
    const auto decoded = decode({}, piece + rest, 999);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->samples[0], samples);
    EXPECT_EQ(decoded->counters.num_ignored_bytes, static_cast<std::int64_t>(rest.size()));
  }
}

TEST(StreamDecoder, LeavesUnusualWavToFfmpeg) {
  std::vector<std::int16_t> stereo;
  for (const std::int16_t sample : tone(440, 16000, 3)) stereo.insert(stereo.end(), {sample, sample});
  const std::string mixed = wav({.num_channels = 2}, stereo);
  const std::string bytes8 = wav({.bits = 8}, tone(440, 16000, 3));
  const std::string fast = wav({.sample_rate = 96000}, tone(440, 96000, 1));
  for (const std::string& bytes : {mixed, bytes8, fast}) {
    const auto decoded = decode({}, bytes, 5000);
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(decoded->samples, decode_file(bytes));
  }
}

TEST(WavHeader, IsReadAsFarAsItHasCome) {
  const auto read = [](const std::string& bytes) { return read_wav_header(std::as_bytes(std::span(bytes))); };
  std::string extensible = wav({}, {});
  extensible.replace(16, 20, std::string("\x28\0\0\0\xfe\xff\2\0\x80\xbb\0\0\0\xdc\5\0\x08\0\x20\0", 20));
  extensible.insert(36, std::string("\x16\0\x20\0\3\0\0\0\3\0", 10) + std::string(14, 'g'));
  extensible.insert(12, std::string("junk\5\0\0\0hello\0", 14));
  extensible.replace(extensible.size() - 4, 4, std::string("\x10\0\0\0", 4));
  for (std::size_t size = 0; size < extensible.size(); ++size) {
    EXPECT_TRUE(std::holds_alternative<WavHeaderIncomplete>(read(extensible.substr(0, size)))) << size;
  }
  const auto header = read(extensible + "rest");
  ASSERT_TRUE(std::holds_alternative<WavHeader>(header));
  EXPECT_EQ(std::get<WavHeader>(header).format, (StreamFormat{StreamEncoding::kFloat32, 48000, 2}));
  EXPECT_EQ(std::get<WavHeader>(header).num_header_bytes, extensible.size());
  EXPECT_EQ(std::get<WavHeader>(header).num_bytes, 16U);
  for (const std::int64_t unknown : {0LL, 0x7fffffffLL, 0x80000000LL, 0xffffffffLL, 0xffffffdbLL}) {
    const auto endless = read(wav({.data_size = unknown}, {}));
    ASSERT_TRUE(std::holds_alternative<WavHeader>(endless));
    EXPECT_EQ(std::get<WavHeader>(endless).num_bytes, std::nullopt) << unknown;
  }
}

TEST(WavHeader, LeavesTheUnusualToOthers) {
  const auto is_other = [](const std::string& bytes) {
    return std::holds_alternative<WavHeaderOther>(read_wav_header(std::as_bytes(std::span(bytes))));
  };
  EXPECT_TRUE(is_other("RIFX" + wav({}, {}).substr(4)));
  EXPECT_TRUE(is_other("RIFF    WAVYfmt "));
  EXPECT_TRUE(is_other(wav({.format_tag = 2}, {})));
  EXPECT_TRUE(is_other(wav({.bits = 24}, {})));
  EXPECT_TRUE(is_other(wav({.format_tag = 3, .bits = 64}, {})));
  EXPECT_TRUE(is_other(wav({.format_tag = 6, .bits = 16}, {})));
  EXPECT_TRUE(is_other(wav({.format_tag = 7, .bits = 16}, {})));
  EXPECT_TRUE(is_other(wav({.num_channels = 0}, {})));
  EXPECT_TRUE(is_other(wav({.num_channels = 9}, {})));
  EXPECT_TRUE(is_other(wav({.sample_rate = 7999}, {})));
  EXPECT_TRUE(is_other(wav({.sample_rate = 48001}, {})));
  const std::string riff = "RIFF    WAVE";
  EXPECT_TRUE(is_other(riff + std::string("data\4\0\0\0", 8))) << "samples before the format";
  EXPECT_TRUE(is_other(riff + std::string("fmt \4\0\0\0\1\0\1\0", 12))) << "too short";
  EXPECT_TRUE(is_other(riff + std::string("junk\0\x10\0\0", 8))) << "too long";
  EXPECT_TRUE(is_other(riff + "junk\xff\xff\xff\xff"));
  std::string many = riff;
  while (many.size() < kMaxWavHeaderBytes) many += std::string("junk\0\0\0\0", 8);
  EXPECT_TRUE(is_other(many));
}

TEST(StreamDecoder, CutOffContainersGiveWhatIsThere) {
  const std::string bytes = live_webm();
  const auto half = decode({}, bytes.substr(0, bytes.size() / 2), 300);
  ASSERT_TRUE(half.ok()) << half.error().message;
  EXPECT_NEAR(static_cast<double>(half->samples[0].size()), 16000, 1000);
  for (const std::size_t size : {5, 40, 100}) {
    EXPECT_EQ(error_of(decode({}, bytes.substr(0, size), 3)), "audio_corrupt") << size;
  }
}

TEST(StreamDecoder, RefusesGarbageThatBeginsLikeAContainer) {
  for (const std::string begin :
       {"\x1a\x45\xdf\xa3", "OggS", "RIFF\xff\xff\xff\xffWAVE", "fLaC", "ID3\3", "1234ftypisom"}) {
    for (const std::size_t size : {std::size_t{1000}, kWhole}) {
      const auto decoded = decode({}, begin + random_bytes(300'000), size);
      const std::string error = error_of(decoded);
      EXPECT_TRUE(error.starts_with("audio_")) << begin << ": " << error;
    }
  }
}

TEST(StreamDecoder, StaysAtItsError) {
  const auto decoder = make({});
  ChannelSamples block;
  const std::string garbage = "OggS" + random_bytes(300'000);
  const Status first = decoder->push(std::as_bytes(std::span(garbage)), block);
  ASSERT_FALSE(first.ok());
  const std::string sound = live_webm();
  const Status second = decoder->push(std::as_bytes(std::span(sound)), block);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().message, first.error().message);
  EXPECT_TRUE(block[0].empty());
  const Status last = decoder->finish(block);
  ASSERT_FALSE(last.ok());
  EXPECT_EQ(last.error().code, first.error().code);
}

TEST(StreamDecoder, BoundsWhatAContainerMayHold) {
  const std::string webm = live_webm();
  const std::size_t cluster = webm.find("\x1f\x43\xb6\x75");
  ASSERT_NE(cluster, std::string::npos);
  const auto element = [](std::string id, const std::string& content) {
    const std::size_t size = content.size();
    for (const std::size_t byte : {0x10 | size >> 24, size >> 16, size >> 8, size})
      id.push_back(static_cast<char>(byte));
    return id + content;
  };
  const std::string binary = element("\x44\x85", std::string(100'000, 'x'));
  const std::string tags = element("\x12\x54\xc3\x67", element("\x73\x73", element("\x67\xc8", binary)));
  for (const int num_tags : {5, 20}) {
    std::string bytes = webm.substr(0, cluster);
    for (int i = 0; i < num_tags; ++i) bytes += tags;
    const auto decoded = decode({}, bytes + webm.substr(cluster), 10'000);
    EXPECT_EQ(error_of(decoded), num_tags == 5 ? "none" : "audio_corrupt");
    if (!decoded.ok()) {
      EXPECT_NE(decoded.error().message.find("brought no audio"), std::string::npos) << decoded.error().message;
    }
  }
  // An MP4 file with its index at the end is refused before all of it has come.
  const std::string mp4 = std::string("\0\0\0\20ftypisom\0\0\0\0\100\0\0\0mdat", 24) + random_bytes(2 << 20);
  const auto decoder = make({});
  ChannelSamples block;
  const Status refused = decoder->push(std::as_bytes(std::span(mp4)), block);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("index at the end"), std::string::npos) << refused.error().message;
}

TEST(StreamDecoder, BoundsHowMuchOneMessageMayMean) {
  const TempFolder folder;
  ASSERT_TRUE(encode(folder.path() / "a.flac", "flac", 8000, 1, std::vector<std::int16_t>(8000 * 1000)));
  const std::string silence = read_all(folder.path() / "a.flac");
  ASSERT_LT(silence.size(), 200'000U);
  EXPECT_EQ(error_of(decode({}, silence)), "audio_too_long");
  const auto slowly = decode({}, silence, 10'000);
  ASSERT_TRUE(slowly.ok()) << slowly.error().message;
  EXPECT_EQ(slowly->samples[0].size(), 16000U * 1000);
}

TEST(StreamDecoder, MayBeDestroyedAtAnyTime) {
  const std::string bytes = live_webm();
  for (const std::size_t size : {std::size_t{0}, std::size_t{4}, std::size_t{100}, std::size_t{1000}, bytes.size()}) {
    const auto decoder = make({});
    ChannelSamples block;
    ASSERT_TRUE(decoder->push(std::as_bytes(std::span(bytes)).first(size), block).ok());
  }
  const auto finished = make({});
  ChannelSamples block;
  ASSERT_TRUE(finished->push(std::as_bytes(std::span(bytes)), block).ok());
  ASSERT_TRUE(finished->finish(block).ok());
}

TEST(StreamDecoder, NothingInAContainerLeadsElsewhere) {
  // A QuickTime file whose data reference is an alias to a file of its own is a classic; here it is enough that what
  // isn't in the list of containers is taken for samples.
  for (const std::string playlist :
       {"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "ffconcat version 1.0\nfile /etc/passwd\n"}) {
    const auto decoded = decode({}, playlist);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->num_input_frames, static_cast<std::int64_t>(playlist.size() / 4));
  }
}

}  // namespace
}  // namespace stenod::audio
