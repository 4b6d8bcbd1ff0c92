// SPDX-License-Identifier: Apache-2.0
//
// What follows from a classifier's scores, which lie at any address.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>

#include "kernels/unaligned.h"
#include "model/chain.h"
#include "model/description.h"

namespace thriftscore {

/// scores [rows, outputs] to probabilities [rows, classes]: as they are, but for one score, the
/// probability of the second of two classes.
template <typename T>
void write_probabilities(const T* scores, std::size_t rows, std::size_t outputs,
                         T* probabilities) noexcept {
  if (outputs > 1) {
    copy_values(scores, rows * outputs, probabilities);
    return;
  }
  for (std::size_t row = 0; row < rows; ++row) {
    const T score = kernels::load_value(scores, row);
    kernels::store_value(T{1} - score, probabilities, 2 * row);
    kernels::store_value(score, probabilities, 2 * row + 1);
  }
}

/// The first of the largest; 0 where the first is NaN.
template <typename T>
std::int64_t index_of_largest(const T* scores, std::size_t count) noexcept {
  std::size_t best = 0;
  for (std::size_t i = 1; i < count; ++i) {
    if (kernels::load_value(scores, i) > kernels::load_value(scores, best)) best = i;
  }
  return static_cast<std::int64_t>(best);
}

/// The index of each row's class.
template <typename T>
void write_labels(const ModelDescription& description, const T* scores, std::size_t rows,
                  std::size_t outputs, std::int64_t* labels) noexcept {
  assert(description.labelling != Labelling::kNone);
  for (std::size_t row = 0; row < rows; ++row) {
    const T* const own = scores + row * outputs;
    const bool above = double{kernels::load_value(own, 0)} > description.label_threshold;
    const bool argmax = description.labelling == Labelling::kArgmax;
    const std::int64_t label = argmax ? index_of_largest(own, outputs) : std::int64_t{above};
    kernels::store_value(label, labels, row);
  }
}

}  // namespace thriftscore
