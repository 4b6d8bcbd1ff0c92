// SPDX-License-Identifier: Apache-2.0
// What targets.cc chooses from. Private to the kernels.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace thriftscore::kernels {

struct Target {
  std::string_view name;
  std::int64_t instruction_set;  // Highway's bit for it, 0 if it needs none
  Kernels<float> float_kernels;
  Kernels<double> double_kernels;
};

// Plain C++, available everywhere: the reference the others are tested against.
extern const Target kScalarTarget;

// The compiled SIMD targets this CPU can run, worst first.
std::vector<const Target*> simd_targets();

}  // namespace thriftscore::kernels
