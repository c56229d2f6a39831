#include <cstdint>
#include <span>

#include "vad/onnx_initializers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto tensors = stenod::vad::OnnxInitializers::parse(std::as_bytes(std::span(data, size)), "fuzz");
  if (!tensors) return 0;
  constexpr std::int64_t kShape[] = {2, 3};
  for (const char* name : {"a", "b", ""}) {
    const auto values = tensors->read(name, kShape);
    if (values && values->size() != 6) __builtin_trap();
  }
  return 0;
}
