#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

namespace stenod::scheduler {

/// Whom a request serves, the most urgent first.
enum class RequestClass { kLiveFinal, kLivePartial, kInteractive, kBatch };
inline constexpr int kNumClasses = 4;

constexpr bool is_live(RequestClass c) { return c <= RequestClass::kLivePartial; }

/// A window that waits for a slot.
struct WaitingWindow {
  RequestClass request_class;
  int num_frames;  ///< encoder frames: the cost of encoding it
  bool is_repeat;  ///< its request has been served before and goes on in a longer window
  std::int64_t deadline = std::numeric_limits<std::int64_t>::max();  ///< any unit; the smallest is the most urgent
  std::uint64_t arrival;                                             ///< smaller came earlier
};

/// A sequence that holds a slot and wants to be advanced.
struct ActiveSequence {
  RequestClass request_class;
  int num_rows;      ///< that its next step takes
  int turns_waited;  ///< steps since it was last part of one
};

/// What does not change between turns.
struct Limits {
  int num_slots = 16;
  int max_rows = 64;
  int max_group_frames = 3000;
  int reserved_live_slots = 2;  ///< never held by other classes while live_expected; less than num_slots
};

struct Snapshot {
  std::span<const WaitingWindow> waiting;
  std::span<const ActiveSequence> active;
  int num_free_slots = 0;
  bool live_expected = false;  ///< live work is there or was lately
  /// Turns for which windows of a class have been waiting without one of them being encoded.
  std::array<int, kNumClasses> turns_passed_over{};
};

/// What the device does next. `chosen` holds indices into `waiting` (kEncode) or `active` (kStep).
struct Plan {
  enum class Kind { kIdle, kEncode, kStep };
  Kind kind = Kind::kIdle;
  std::vector<int> chosen;
};

/// Turns for which a window lets sequences of a better class go first: 4, 16 or 64 for a class that is 1, 2 or 3
/// better. That bounds both the delay of the better and the starvation of the lesser.
constexpr int patience(int class_distance) { return 1 << (2 * class_distance); }

/// After so many turns a window goes before everything else, reserved slots included: the bound of starvation when
/// better classes ask for more than the device can do.
inline constexpr int kStarvationTurns = 256;

/// A group of this many frames keeps matrix products efficient; more does not make them faster.
inline constexpr int kWellFilledFrames = 1000;

/// Decides one turn, as a pure function. Classes in order:
///  - Live windows are encoded at once, interactive ones too, unless a sequence of a better class is active: then
///    after `patience` turns, and alone.
///  - Batch windows are encoded as soon as they fill a group well, or a quarter of the slots is free, or nothing else
///    is to be done. A step of 16 sequences costs about as much as of one, so slots are kept full.
///  - Otherwise all active sequences advance by one step, as far as rows allow.
/// A group holds windows of one class and like length (within a factor of two of the first); one of live partials no
/// more than fills it well, because finals wait for its end.
/// Writes into `plan`, whose memory is reused.
void plan_turn(const Snapshot& snapshot, const Limits& limits, Plan& plan);

}  // namespace stenod::scheduler
