#pragma once

#include <chrono>
#include <string>

namespace stenod {

/// "2027-01-31T12:00:00Z" (RFC 3339).
std::string format_time(std::chrono::sys_seconds time);

/// "2027-01-31T12:00:00.123Z"
std::string format_time(std::chrono::sys_time<std::chrono::milliseconds> time);

}  // namespace stenod
