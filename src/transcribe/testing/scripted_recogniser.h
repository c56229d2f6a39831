#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "transcribe/recogniser.h"

namespace stenod::transcribe::testing {

/// What is said of one window.
struct ScriptedWindow {
  std::string text;  ///< with timestamps as in "<|0.00|> Hello.<|1.20|>", where the request wants them
  std::string language = "en";
  float certainty = 30;    ///< how far the logit of the next token stands above the others; at 5 text is doubtful
  bool no_speech = false;  ///< the model says that nobody speaks
  float of_language = 30;  ///< as certainty, of the language: at 3 it is detected with a probability of about 0.2
};

struct Script {
  /// Said of every window. A model with random weights would stammer, which is suppressed.
  std::string text = " Hello there.";
  /// In place of `text`, of the windows in the order in which they are encoded; of those behind, the last one.
  std::vector<ScriptedWindow> windows = {};
  /// Called on the engine's thread with the prompt of each window, its special tokens among it. May be null.
  std::function<void(const std::vector<int>& prompt)> on_prompt = {};
  bool multilingual = false;  ///< detects English, or what the windows say
  /// Called on the engine's thread before a window is encoded, with its length in encoder frames of 20 ms: to hold the
  /// engine up, or to make it fail. May be null.
  std::function<Status(int num_frames)> before_encode = {};
};

/// A recogniser whose model has random weights and says what it is told, with a detector that takes what is loud for
/// speech. Writes its files to `folder`, once for all with the same `multilingual`. A failure fails the test and gives
/// null.
std::unique_ptr<Recogniser> scripted_recogniser(const std::filesystem::path& folder, Script script = {});

}  // namespace stenod::transcribe::testing
