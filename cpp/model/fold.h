// SPDX-License-Identifier: Apache-2.0
//
// What can be computed once is computed at load, in double.
#pragma once

#include "model/description.h"
#include "model/stage_spec.h"

namespace thriftscore {

/// The chain with fewer stages that gives the same but for rounding, branches included.
ChainSpec fold(ChainSpec stages, Precision precision);

}  // namespace thriftscore
