// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace thriftscore {

/// Rows in compressed sparse row form, at any addresses: row r has values[i] in column indices[i]
/// for i from indptr[r] to indptr[r + 1], columns rising and in range, and 0 in the others.
template <typename In>
struct SparseRows {
  const std::int64_t* indptr;
  const std::int32_t* indices;
  const In* values;

  /// The rows from `row` on.
  SparseRows from(std::size_t row) const noexcept { return {indptr + row, indices, values}; }
};

}  // namespace thriftscore
