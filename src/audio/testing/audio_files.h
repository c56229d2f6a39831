#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace stenod::audio::testing {

/// A fresh folder, removed with its content at the end.
class TempFolder {
 public:
  TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& bytes) const;

 private:
  std::filesystem::path path_;
};

/// The fields of a WAV header, each of which may lie.
struct WavHeader {
  std::uint16_t format_tag = 1;
  std::uint16_t num_channels = 1;
  std::uint32_t sample_rate = 16000;
  std::uint16_t bits = 16;
  std::int64_t data_size = -1;  ///< -1 for the true one
};

/// A RIFF/WAVE file with interleaved 16-bit samples.
std::string wav(const WavHeader& header, std::span<const std::int16_t> samples);

/// A sine of half amplitude.
std::vector<std::int16_t> tone(double hz, int sample_rate, double seconds);

/// Root mean square of samples as a share of full scale.
double rms(std::span<const std::int16_t> samples);

/// Encodes interleaved samples with one of FFmpeg's encoders into a file whose extension chooses the container.
/// False if FFmpeg was built without that encoder. `muxer_options` as "live=1:…".
bool encode(const std::filesystem::path& path, const std::string& encoder, int sample_rate, int num_channels,
            std::span<const std::int16_t> samples, const std::string& muxer_options = {});

/// The packets of a file's first track.
std::vector<std::string> read_packets(const std::filesystem::path& path);

/// Copies the audio tracks of `files` into one file, whose index, where its container has one, is at its beginning.
/// The track with number `default_track`, counted from 0, is marked as the default.
void join_tracks(const std::filesystem::path& path, const std::vector<std::filesystem::path>& files, int default_track);

}  // namespace stenod::audio::testing
