// SPDX-License-Identifier: Apache-2.0
#include "kernels/targets.h"

namespace thriftscore::kernels {

std::vector<const Target*> simd_targets() { return {}; }

}  // namespace thriftscore::kernels
