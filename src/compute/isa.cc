#include "compute/isa.h"

#include <cpuid.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <hwy/targets.h>
#include <algorithm>
#include <array>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>

namespace stenod::compute {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"avx2", "avx512", "avx512_vnni", "avx512_bf16", "amx"};

/// Linux hands out the tile registers only to processes that ask (arch_prctl(2), ARCH_REQ_XCOMP_PERM).
bool request_amx_permission() {
  constexpr int kArchReqXcompPerm = 0x1023;
  constexpr int kXfeatureXtiledata = 18;
  return syscall(SYS_arch_prctl, kArchReqXcompPerm, kXfeatureXtiledata) == 0;
}

bool has_amx_int8_and_bf16() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  const bool bf16 = (edx >> 22) & 1, tile = (edx >> 24) & 1, int8 = (edx >> 25) & 1;
  return bf16 && tile && int8 && request_amx_permission();
}

dnnl::cpu_isa onednn_isa(Isa isa) {
  switch (isa) {
    case Isa::kAvx2:
      return dnnl::cpu_isa::avx2;
    case Isa::kAvx512:
      return dnnl::cpu_isa::avx512_core;
    case Isa::kAvx512Vnni:
      return dnnl::cpu_isa::avx512_core_vnni;
    case Isa::kAvx512Bf16:
      return dnnl::cpu_isa::avx512_core_bf16;
    case Isa::kAmx:
      break;
  }
  return dnnl::cpu_isa::avx512_core_amx;
}

}  // namespace

std::string_view isa_name(Isa isa) { return kNames[static_cast<std::size_t>(isa)]; }

Result<Isa> parse_isa(std::string_view name) {
  if (name == "auto") return detect_isa();
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("unknown instruction set '{}', expected auto, {}", name, fmt::join(kNames, ", ")),
                 "max_isa"};
  }
  return static_cast<Isa>(found - kNames.begin());
}

Result<Isa> detect_isa() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    return Error{ErrorCode::kNotSupported, "this processor lacks AVX2 and FMA, the least that stenod needs"};
  }
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
    return Isa::kAvx2;
  }
  if (!__builtin_cpu_supports("avx512vnni")) return Isa::kAvx512;
  if (!__builtin_cpu_supports("avx512bf16")) return Isa::kAvx512Vnni;
  return has_amx_int8_and_bf16() ? Isa::kAmx : Isa::kAvx512Bf16;
}

Result<Isa> limit_isa(Isa max_isa) {
  static std::mutex mutex;
  static std::optional<Isa> in_force;
  const std::lock_guard lock(mutex);
  STENOD_ASSIGN_OR_RETURN(const Isa machine, detect_isa());
  const Isa wanted = std::min(machine, max_isa);
  if (in_force) {
    if (*in_force == wanted) return wanted;
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("the instruction set is already held to {} in this process", isa_name(*in_force)),
                 "max_isa"};
  }
  dnnl::set_max_cpu_isa(onednn_isa(wanted));
  // Highway numbers better targets with lower bits.
  if (wanted < Isa::kAvx512) {
    hwy::DisableTargets(HWY_AVX2 - 1);
  } else if (wanted < Isa::kAvx512Vnni) {
    hwy::DisableTargets(HWY_AVX3 - 1);
  }
  in_force = wanted;
  return wanted;
}

}  // namespace stenod::compute
