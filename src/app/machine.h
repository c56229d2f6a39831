#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace stenod::app {

struct Machine {
  std::string cpu_model;
  std::uint64_t memory_bytes = 0;            ///< of the machine, or what a container may use
  std::uint64_t available_memory_bytes = 0;  ///< right now
};

/// From /proc and the control group. What can't be read stays empty or 0.
Machine describe_machine();

/// The value of the first line "key…: value" of a file such as /proc/cpuinfo or /proc/meminfo; empty if there is none.
std::string find_proc_value(std::string_view text, std::string_view key);

}  // namespace stenod::app
