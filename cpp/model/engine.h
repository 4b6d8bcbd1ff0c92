// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "model/model.h"
#include "model/stage.h"

namespace thriftscore {

/// Values may lie at any byte address, where dereferencing a T* is undefined.
template <typename T>
T load(const T* from, std::size_t index) noexcept {
  T value;
  std::memcpy(&value, reinterpret_cast<const char*>(from) + index * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
bool any_nan(const T* values, std::size_t count) noexcept {
  bool found = false;
  for (std::size_t i = 0; i < count; ++i) {
    const T value = load(values, i);
    found |= value != value;
  }
  return found;
}

/// The first NaN of x [rows, columns], by row and then column.
template <typename T>
std::optional<MissingValue> find_nan(const T* x, std::size_t rows, std::size_t columns) noexcept {
  for (std::size_t i = 0; i < rows * columns; ++i) {
    const T value = load(x, i);
    if (value != value) return MissingValue{i / columns, i % columns};
  }
  return std::nullopt;
}

/// Runs a plan over blocks of rows that stay in cache from the first stage to the last.
///
/// The stages up to the last one that cannot work in place write to two scratch buffers in turn;
/// that one and those behind it write to the caller's scores. So the common plan, one dense stage
/// and a link, goes straight from the caller's features to the caller's scores.
template <typename T>
class Engine {
 public:
  explicit Engine(std::vector<StagePointer<T>> stages) : stages_(std::move(stages)) {
    std::size_t widest = std::max(columns(), outputs());
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      if (!stages_[i]->in_place()) direct_from_ = i;
    }
    for (std::size_t i = 0; i < direct_from_; ++i) {
      scratch_columns_ = std::max(scratch_columns_, stages_[i]->outputs());
    }
    block_rows_ = rows_for(std::max(widest, scratch_columns_) * sizeof(T));
  }

  std::size_t columns() const noexcept { return stages_.front()->columns(); }
  std::size_t outputs() const noexcept { return stages_.back()->outputs(); }
  const std::vector<StagePointer<T>>& stages() const noexcept { return stages_; }

  template <typename In>
  std::size_t scratch_bytes() const noexcept {
    const std::size_t converted = std::is_same_v<In, T> ? 0 : columns();
    return block_rows_ * (converted + 2 * scratch_columns_) * sizeof(T);
  }

  template <typename In>
  std::optional<MissingValue> score(const In* x, std::size_t rows, T* y, bool refuses_missing,
                                    Workspace& workspace) const {
    T* scratch = reinterpret_cast<T*>(workspace.reserve(scratch_bytes<In>()));
    for (std::size_t row = 0; row < rows; row += block_rows_) {
      const std::size_t count = std::min(block_rows_, rows - row);
      const In* features = x + row * columns();
      T* scores = y + row * outputs();
      run_block(features, count, scores, scratch);
      if (!refuses_missing || !any_nan(scores, count * outputs())) continue;
      if (const auto missing = find_nan(features, count, columns())) {
        return MissingValue{row + missing->row, missing->column};
      }
    }
    return std::nullopt;
  }

 private:
  // Rows whose widest form fits the second-level cache three times over; wide rows come at least
  // 64 at a time, so that weights fetched from memory serve more than one, unless that is large.
  static std::size_t rows_for(std::size_t row_bytes) noexcept {
    constexpr std::size_t kBlockBytes = std::size_t{128} << 10;
    constexpr std::size_t kWideBlockBytes = std::size_t{2} << 20;
    const std::size_t wide = std::min<std::size_t>(64, kWideBlockBytes / row_bytes);
    return std::max({kBlockBytes / row_bytes, wide, std::size_t{1}});
  }

  template <typename In>
  void run_block(const In* features, std::size_t rows, T* scores, T* scratch) const noexcept {
    if constexpr (std::is_same_v<In, T>) {
      run_stages(features, rows, scores, scratch);
    } else {
      T* converted = scratch + 2 * block_rows_ * scratch_columns_;
      for (std::size_t i = 0; i < rows * columns(); ++i) {
        converted[i] = static_cast<T>(load(features, i));
      }
      run_stages(converted, rows, scores, scratch);
    }
  }

  void run_stages(const T* values, std::size_t rows, T* scores, T* scratch) const noexcept {
    T* const other = scratch + block_rows_ * scratch_columns_;
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      T* const between = values == scratch ? other : scratch;
      T* const to = i >= direct_from_ ? scores : between;
      stages_[i]->run(values, rows, to);
      values = to;
    }
  }

  std::vector<StagePointer<T>> stages_;
  std::size_t direct_from_ = 0;      // the first stage that writes to the caller's scores
  std::size_t scratch_columns_ = 0;  // the widest row between stages before that
  std::size_t block_rows_ = 1;
};

}  // namespace thriftscore
