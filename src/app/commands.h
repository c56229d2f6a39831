#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "app/command_line.h"
#include "app/interrupt.h"
#include "base/result.h"
#include "models/store.h"
#include "transcribe/recogniser.h"

namespace stenod::app {

// What each command does. All return the program's exit status.

int run(const TranscribeCommand& command, Interrupt& interrupt);
int run(const BenchFileCommand& command, Interrupt& interrupt);
int run(const EvalCommand& command, Interrupt& interrupt);
int run(const ModelCommand& command, Interrupt& interrupt);
int run(const DoctorCommand& command, Interrupt& interrupt);
int run(const ServeCommand& command, Interrupt& interrupt);
int run(const KeyCommand& command, Interrupt& interrupt);

inline constexpr int kSuccess = 0;
inline constexpr int kFailure = 1;
inline constexpr int kWrongUsage = 2;

/// What a shell reports for a program that a signal ended.
inline constexpr int signal_status(int signal) { return 128 + signal; }

/// The folder of the model to transcribe with. Errors say what named the model, unless that was --model.
Result<std::filesystem::path> find_speech_model(const models::Store& store, const EngineSettings& settings);

/// What clients call a model: its name, or the last component of its folder, for the rest of the path is nobody's
/// business.
std::string offered_name(const std::string& model);

/// The folders of the model and the voice activity detection, and what to run them on. Errors say what to run when
/// something is missing.
Result<transcribe::RecogniserOptions> recogniser_options(const EngineSettings& settings);

/// Finds the model and the voice activity detection and loads them. Errors say what to run when something is missing.
Result<std::unique_ptr<transcribe::Recogniser>> load_recogniser(const EngineSettings& settings);

}  // namespace stenod::app
