#pragma once

#include <string>

#include "app/interrupt.h"
#include "audio/stream_decoder.h"

namespace CLI {
class App;
}

namespace stenod::app {

struct ListenCommand {
  std::string url = "ws://127.0.0.1:8765/ws/transcribe";
  std::string key;
  std::string language = "auto";
  std::string microphone;  ///< its name; empty: the default one
  std::string file;        ///< "-": standard input; empty: the microphone
  std::string encoding = "auto";
  audio::StreamFormat format;  ///< of standard input
  double speed = 1;
  bool words = false;
  bool insecure = false;
  bool json = false;
};

CLI::App* add_listen(CLI::App& app, ListenCommand& command);

int run(const ListenCommand& command, Interrupt& interrupt);

}  // namespace stenod::app
