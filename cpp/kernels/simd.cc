// SPDX-License-Identifier: Apache-2.0
// Compiles the kernels once for every instruction set Highway knows on this architecture.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/targets.h"

// Vectors of unknown length cannot be kept in arrays, and the tiles are arrays of vectors. Nothing
// here gains by AVX3_DL over AVX3, and processors that stop at SSSE3 are gone.
#define THRIFTSCORE_LEFT_OUT \
  (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV | HWY_SSSE3 | HWY_AVX3_DL)
#undef HWY_DISABLED_TARGETS
#ifdef THRIFTSCORE_FEWER_TARGETS
#define HWY_DISABLED_TARGETS (THRIFTSCORE_LEFT_OUT | HWY_AVX3)
#else
#define HWY_DISABLED_TARGETS THRIFTSCORE_LEFT_OUT
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// Highway's own emulation is compiled in as a last resort only; kScalarTarget is ours.
#if HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR

#include "kernels/activation-inl.h"
#include "kernels/codes-inl.h"
#include "kernels/exit_leaves-inl.h"
#include "kernels/normalizer-inl.h"
#include "kernels/rectifier-inl.h"
#include "kernels/weighted_sum-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thriftscore::kernels::HWY_NAMESPACE {

template <typename T>
constexpr Kernels<T> kKernels = {
    .weighted_sum = weighted_sum<T>,
    .normalized_weighted_sum = normalized_weighted_sum<T>,
    .packed_size = packed_size<T>,
    .pack = pack<T>,
    .normalize = scale_rows<Normalize, T>,
    .denormalize = scale_rows<Denormalize, T>,
    .sigmoid = transform<Sigmoid, T>,
    .exponential = transform<Exponential, T>,
    .relu = transform<Relu, T>,
    .leaky_relu = leaky_relu<T>,
    .exponential_unit = exponential_unit<T>,
    .tanh = transform<HyperbolicTangent, T>,
    .softplus = transform<Softplus, T>,
    .complementary_log_log = transform<ComplementaryLogLog, T>,
    .softmax = softmax<T>,
    .encode8 = encode<T, std::int8_t>,
    .encode16 = encode<T, std::uint16_t>,
    .encode32 = encode<T, std::uint32_t>,
    .exit_leaves = exit_leaves,
};

// "N_AVX2" as "avx2".
constexpr auto kName = [] {
  std::array<char, sizeof(HWY_STR(HWY_NAMESPACE))> name{};
  std::ranges::copy(std::string_view(HWY_STR(HWY_NAMESPACE)).substr(2), name.begin());
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return name;
}();

constexpr Target kTarget = {
    .name = kName.data(),
    .instruction_set = HWY_TARGET,
    .float_kernels = kKernels<float>,
    .double_kernels = kKernels<double>,
};

}  // namespace thriftscore::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // not emulated

#if HWY_ONCE
namespace thriftscore::kernels {

std::vector<const Target*> simd_targets() {
  const std::array<const Target*, HWY_MAX_DYNAMIC_TARGETS> best_first = {
      HWY_CHOOSE_TARGET_LIST(kTarget)};
  std::vector<const Target*> runnable;
  std::copy_if(best_first.rbegin(), best_first.rend(), std::back_inserter(runnable),
               [](const Target* target) {
                 return target != nullptr &&
                        (target->instruction_set & hwy::SupportedTargets()) != 0;
               });
  return runnable;
}

}  // namespace thriftscore::kernels
#endif  // HWY_ONCE
