#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace stenod::engine {

/// One use of a slot. The generation grows with every use, so that an old handle can never touch its successor.
struct SlotHandle {
  int index = -1;
  std::uint32_t generation = 0;
  bool operator==(const SlotHandle&) const = default;
};

/// Which of a runner's slots are taken. One thread.
class SlotTable {
 public:
  explicit SlotTable(int num_slots);

  /// The lowest free slot; none when all are taken.
  std::optional<SlotHandle> acquire();

  bool is_current(SlotHandle handle) const;

  /// False, and nothing happens, when the handle is not current.
  bool release(SlotHandle handle);

  int num_free() const { return num_free_; }

 private:
  struct Slot {
    std::uint32_t generation = 0;
    bool taken = false;
  };
  std::vector<Slot> slots_;
  int num_free_;
};

}  // namespace stenod::engine
