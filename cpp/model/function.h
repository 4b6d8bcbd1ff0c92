// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "model/stage_spec.h"

namespace thriftscore {

/// y = function(y) for the rows of y [rows, columns], at any address. `alpha` is that of leaky_relu
/// and elu.
template <typename T>
void apply(Function function, T alpha, T* y, std::size_t rows, std::size_t columns) noexcept;

/// Arithmetic operations a value, roughly.
std::size_t operations_of(Function function) noexcept;

}  // namespace thriftscore
