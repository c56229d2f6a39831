#include "engine/slot_table.h"

#include <algorithm>

namespace stenod::engine {

SlotTable::SlotTable(int num_slots) : slots_(static_cast<std::size_t>(num_slots)), num_free_(num_slots) {}

std::optional<SlotHandle> SlotTable::acquire() {
  const auto slot = std::find_if(slots_.begin(), slots_.end(), [](const Slot& s) { return !s.taken; });
  if (slot == slots_.end()) return std::nullopt;
  slot->taken = true;
  --num_free_;
  return SlotHandle{static_cast<int>(slot - slots_.begin()), ++slot->generation};
}

bool SlotTable::is_current(SlotHandle handle) const {
  if (handle.index < 0 || handle.index >= static_cast<int>(slots_.size())) return false;
  const Slot& slot = slots_[static_cast<std::size_t>(handle.index)];
  return slot.taken && slot.generation == handle.generation;
}

bool SlotTable::release(SlotHandle handle) {
  if (!is_current(handle)) return false;
  slots_[static_cast<std::size_t>(handle.index)].taken = false;
  ++num_free_;
  return true;
}

}  // namespace stenod::engine
