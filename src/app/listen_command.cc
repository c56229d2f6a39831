#include "app/listen_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <utility>

#include "app/commands.h"
#include "app/console.h"
#include "app/transcript_screen.h"
#include "client/listen.h"
#include "net/url.h"

namespace stenod::app {
namespace {

constexpr const char* kExamples = R"(Examples:
  stenod listen                           the microphone
  stenod listen talk.mp3                  a file, as if it were spoken now
  arecord -f S16_LE -r 16000 | stenod listen -
  stenod listen --url wss://speech.example.org/ws/transcribe --key KEY
  stenod listen --url 'ws://127.0.0.1:8765/ws/transcribe?silence_ms=800'

Finals go to standard output. On a terminal, what is being said is shown below
them, dimmed as long as it may change. Ctrl-C ends the session: what is still
due is printed. A second Ctrl-C ends at once.

The exit status is 0 when all that was sent has been transcribed, 1 when
anything failed, 2 for wrong usage, 130 when the rest of the text did not come
in time after Ctrl-C.)";

Result<std::unique_ptr<client::AudioSource>> open_source(const ListenCommand& command) {
  if (command.file.empty()) {
    auto source = client::open_microphone_source(command.microphone);
    if (source) return source;
    Error error = std::move(source).error();
    error.message +=
        "; audio can also come from a file, or from another program: arecord -f S16_LE -r 16000 | stenod "
        "listen -";
    return error;
  }
  if (command.file != "-") return client::open_file_source(command.file);
  if (::isatty(STDIN_FILENO) == 1) {
    return Error{ErrorCode::kInvalidArgument,
                 "standard input is a terminal; pipe audio into it: arecord -f S16_LE -r 16000 | stenod listen -"};
  }
  audio::StreamFormat format = command.format;
  format.encoding = *audio::parse_stream_encoding(command.encoding);
  return client::make_pipe_source(STDIN_FILENO, format);
}

std::string session_url(const ListenCommand& command) {
  std::string url = command.url;
  const auto add = [&](std::string_view name, const std::string& value) {
    url += fmt::format("{}{}={}", url.find('?') == std::string::npos ? '?' : '&', name, net::encode_query(value));
  };
  if (command.language != "auto") add("language", command.language);
  if (command.words) add("words", "true");
  return url;
}

}  // namespace

CLI::App* add_listen(CLI::App& app, ListenCommand& command) {
  CLI::App* const added = app.add_subcommand("listen", "Show live what is said: the microphone, a file, a pipe");
  added->footer(kExamples);
  added->add_option("FILE", command.file, "A recording, sent as fast as it was spoken; - is standard input");
  added->add_option("--url", command.url, "The server's live address")
      ->envname("STENOD_URL")
      ->type_name("URL")
      ->capture_default_str();
  added->add_option("--key", command.key, "The key that the server asks for")->envname("STENOD_KEY")->type_name("KEY");
  added->add_option("--language", command.language, "What is spoken, for instance en; auto finds out")
      ->type_name("CODE|auto")
      ->capture_default_str();
  added->add_flag("--words", command.words, "Also start, end and probability of each word");
  CLI::Option* const microphone =
      added->add_option("--mic", command.microphone, "The microphone, as ALSA or PulseAudio call it")
          ->type_name("DEVICE");
  microphone->excludes("FILE");
  added->add_option("--speed", command.speed, "How fast a file is sent; 0: as fast as the server takes it")
      ->check(CLI::Range(0.0, 1000.0))
      ->type_name("X")
      ->capture_default_str();
  added->add_option("--encoding", command.encoding, "Of standard input; auto: a container, or else s16le")
      ->check(CLI::IsMember({"auto", "s16le", "f32le", "mulaw", "alaw"}))
      ->type_name("ENCODING")
      ->capture_default_str();
  added->add_option("--sample-rate", command.format.sample_rate, "Of standard input")
      ->check(CLI::Range(audio::StreamFormat::kMinSampleRate, audio::StreamFormat::kMaxSampleRate))
      ->type_name("HZ")
      ->capture_default_str();
  added->add_option("--channels", command.format.num_channels, "Of standard input, each transcribed for itself")
      ->check(CLI::Range(1, audio::StreamFormat::kMaxChannels))
      ->type_name("N")
      ->capture_default_str();
  added->add_flag("--json", command.json, "The server's messages as they are, one a line");
  added->add_flag("--insecure", command.insecure, "With wss://, don't verify the server's certificate");
  return added;
}

int run(const ListenCommand& command, Interrupt& interrupt) {
  Console console(/*quiet=*/true);
  const auto fail = [&](const Error& error) {
    if (error.code == ErrorCode::kCancelled && interrupt.signal() != 0) return signal_status(interrupt.signal());
    if (error.code != ErrorCode::kCancelled) console.error(error);
    return kFailure;
  };
  const auto source = open_source(command);
  if (!source) return fail(source.error());

  client::ListenOptions options;
  options.connection.url = session_url(command);
  options.connection.verify_certificate = !command.insecure;
  if (!command.key.empty()) options.connection.headers.emplace_back("Authorization", "Bearer " + command.key);
  options.speed = command.speed;

  Result<client::ListenOutcome> outcome = client::ListenOutcome::kCutShort;
  {
    TranscriptScreen screen(console, {command.json, command.words, command.format.num_channels > 1});
    outcome = client::listen(options, **source, screen, interrupt.token());
  }
  if (!outcome) return fail(outcome.error());
  if (*outcome == client::ListenOutcome::kComplete) return kSuccess;
  console.warn("the server was too late with the rest of the text");
  return signal_status(interrupt.signal());
}

}  // namespace stenod::app
