#include "app/machine.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace stenod::app {
namespace {

/// Files of /proc say that they are empty, so they are read to their end.
std::string read_proc(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// "16384 kB" in bytes.
std::uint64_t kilobytes(const std::string& value) { return std::strtoull(value.c_str(), nullptr, 10) * 1024; }

}  // namespace

std::string find_proc_value(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto colon = line.find(':');
    if (colon == line.npos || !line.starts_with(key)) continue;
    if (line.substr(key.size(), colon - key.size()).find_first_not_of(" \t") != line.npos) continue;
    const auto value = line.find_first_not_of(" \t", colon + 1);
    return value == line.npos ? std::string() : std::string(line.substr(value));
  }
  return {};
}

Machine describe_machine() {
  Machine machine;
  machine.cpu_model = find_proc_value(read_proc("/proc/cpuinfo"), "model name");
  const std::string memory = read_proc("/proc/meminfo");
  machine.memory_bytes = kilobytes(find_proc_value(memory, "MemTotal"));
  machine.available_memory_bytes = kilobytes(find_proc_value(memory, "MemAvailable"));
  const std::uint64_t limit = std::strtoull(read_proc("/sys/fs/cgroup/memory.max").c_str(), nullptr, 10);
  if (limit > 0) {  // else "max", or no control group
    const std::uint64_t used = std::strtoull(read_proc("/sys/fs/cgroup/memory.current").c_str(), nullptr, 10);
    machine.memory_bytes = std::min(machine.memory_bytes, limit);
    machine.available_memory_bytes = std::min(machine.available_memory_bytes, limit - std::min(limit, used));
  }
  return machine;
}

}  // namespace stenod::app
