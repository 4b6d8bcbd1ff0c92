// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "model/stage.h"

namespace thriftscore {

/// `bytes` rounded up to whole cache lines, so that what lies behind is aligned as well.
constexpr std::size_t whole_lines(std::size_t bytes) noexcept {
  constexpr auto kLine = static_cast<std::size_t>(kAlignment);
  return (bytes + kLine - 1) / kLine * kLine;
}

/// Copies `count` values between addresses of any alignment; nothing where both are the same.
template <typename T>
void copy_values(const T* from, std::size_t count, T* to) noexcept {
  if (from == to || count == 0) return;
  std::memcpy(static_cast<void*>(to), static_cast<const void*>(from), count * sizeof(T));
}

/// Stages that run one behind the other; without any it hands its input on.
///
/// The stages up to the last one that cannot work in place write to two scratch buffers in turn;
/// that one and those behind it write to the result. So the common plan, one dense stage and a
/// link, goes straight from the caller's features to the caller's scores.
template <typename T>
class Chain {
 public:
  Chain(std::vector<StagePointer<T>> stages, std::size_t columns)
      : stages_(std::move(stages)), columns_(columns) {
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      if (!stages_[i]->in_place()) direct_from_ = i;
    }
    for (std::size_t i = 0; i < direct_from_; ++i) {
      between_columns_ = std::max(between_columns_, stages_[i]->outputs());
    }
  }

  std::size_t columns() const noexcept { return columns_; }
  std::size_t outputs() const noexcept {
    return stages_.empty() ? columns_ : stages_.back()->outputs();
  }
  /// Values in the widest row on the way.
  std::size_t widest() const noexcept {
    std::size_t widest = columns_;
    for (const auto& stage : stages_) widest = std::max(widest, stage->widest());
    return widest;
  }
  bool passes_nan() const noexcept {
    return std::all_of(stages_.begin(), stages_.end(),
                       [](const auto& stage) { return stage->passes_nan(); });
  }
  const std::vector<StagePointer<T>>& stages() const noexcept { return stages_; }

  std::size_t operations() const noexcept {
    std::size_t total = 0;
    for (const auto& stage : stages_) total += stage->operations();
    return total;
  }

  /// "select 3; scale 3".
  std::string describe() const {
    std::string text;
    for (const auto& stage : stages_) text += (text.empty() ? "" : "; ") + stage->describe();
    return text.empty() ? "nothing" : text;
  }

  std::size_t scratch_bytes(std::size_t rows) const noexcept {
    std::size_t of_stages = 0;
    for (const auto& stage : stages_) of_stages = std::max(of_stages, stage->scratch_bytes(rows));
    return 2 * buffer_bytes(rows) + of_stages;
  }

  /// As Stage::run.
  void run(const T* x, std::size_t rows, T* y, std::byte* scratch) const noexcept {
    if (stages_.empty()) {
      copy_values(x, rows * columns_, y);
    } else {
      run_stages(rows, y, scratch,
                 [&](T* to, std::byte* rest) { stages_.front()->run(x, rows, to, rest); });
    }
  }

  /// True where the first stage takes rows without their zeros.
  bool takes_sparse() const noexcept {
    return !stages_.empty() && stages_.front()->sparse_input() != nullptr;
  }

  /// The same of such rows, where takes_sparse().
  template <typename In>
  void run_sparse(const SparseRows<In>& x, std::size_t rows, T* y,
                  std::byte* scratch) const noexcept {
    run_stages(rows, y, scratch, [&](T* to, std::byte* rest) {
      stages_.front()->sparse_input()->run_sparse(x, rows, to, rest);
    });
  }

 private:
  // run_first(to, scratch) does what the first stage does.
  template <typename RunFirst>
  void run_stages(std::size_t rows, T* y, std::byte* scratch, RunFirst run_first) const noexcept {
    T* const first = reinterpret_cast<T*>(scratch);
    T* const second = reinterpret_cast<T*>(scratch + buffer_bytes(rows));
    std::byte* const rest = scratch + 2 * buffer_bytes(rows);
    T* values = direct_from_ == 0 ? y : first;
    run_first(values, rest);
    for (std::size_t i = 1; i < stages_.size(); ++i) {
      T* const between = values == first ? second : first;
      T* const to = i >= direct_from_ ? y : between;
      stages_[i]->run(values, rows, to, rest);
      values = to;
    }
  }

  std::size_t buffer_bytes(std::size_t rows) const noexcept {
    return whole_lines(rows * between_columns_ * sizeof(T));
  }

  std::vector<StagePointer<T>> stages_;
  std::size_t columns_;
  std::size_t direct_from_ = 0;      // the first stage that writes to the result
  std::size_t between_columns_ = 0;  // the widest row between stages before that
};

}  // namespace thriftscore
