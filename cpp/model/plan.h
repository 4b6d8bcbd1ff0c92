// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "model/chain.h"
#include "model/stage_spec.h"

namespace thriftscore {

/// The stages of a specification, as they stand, for rows of `columns` values.
template <typename T>
Chain<T> make_chain(const ChainSpec& stages, std::size_t columns);

}  // namespace thriftscore
