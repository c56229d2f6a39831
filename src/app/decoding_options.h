#pragma once

#include <CLI/CLI.hpp>

#include "transcribe/decoding_settings.h"

namespace stenod::app {

/// Adds the options that say how text is to be found; docs/options.md describes them. `settings` must outlive the
/// parsing.
void add_decoding_options(CLI::App& app, transcribe::DecodingSettings& settings);

}  // namespace stenod::app
