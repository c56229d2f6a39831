#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "transcribe/recogniser.h"

namespace stenod::transcribe::testing {

struct Script {
  /// Said of every window. A model with random weights would stammer, which is suppressed.
  std::string text = " Hello there.";
  bool multilingual = false;  ///< detects English
  /// Called on the engine's thread before a window is encoded, with its length in encoder frames of 20 ms: to hold the
  /// engine up, or to make it fail. May be null.
  std::function<Status(int num_frames)> before_encode = {};
};

/// A recogniser whose model has random weights and says what it is told, with a detector that takes what is loud for
/// speech. Writes its files to `folder`, once for all with the same `multilingual`. A failure fails the test and gives
/// null.
std::unique_ptr<Recogniser> scripted_recogniser(const std::filesystem::path& folder, Script script = {});

}  // namespace stenod::transcribe::testing
