// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "model/chain.h"
#include "model/model.h"

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
    found |= std::isnan(value);
  }
  return found;
}

/// The first NaN of x [rows, columns], by row and then column.
template <typename T>
std::optional<MissingValue> find_nan(const T* x, std::size_t rows, std::size_t columns) noexcept {
  for (std::size_t i = 0; i < rows * columns; ++i) {
    const T value = load(x, i);
    if (std::isnan(value)) return MissingValue{i / columns, i % columns};
  }
  return std::nullopt;
}

/// The first NaN among the values of sparse rows.
template <typename In>
std::optional<MissingValue> find_nan(const SparseRows<In>& x, std::size_t rows) noexcept {
  for (std::size_t row = 0; row < rows; ++row) {
    const auto end = static_cast<std::size_t>(load(x.indptr, row + 1));
    for (auto i = static_cast<std::size_t>(load(x.indptr, row)); i < end; ++i) {
      const In value = load(x.values, i);
      if (std::isnan(value)) return MissingValue{row, static_cast<std::size_t>(load(x.indices, i))};
    }
  }
  return std::nullopt;
}

/// Where an engine writes, at any address.
template <typename T>
struct EngineOutputs {
  T* scores;
  T* margin;  // what the links take; may be null
};

/// Runs a plan over blocks of rows that stay in cache from the first stage to the last.
template <typename T>
class Engine {
 public:
  /// `links` are the stages behind the margin; all of them work in place.
  Engine(Chain<T> body, Chain<T> links)
      : body_(std::move(body)),
        links_(std::move(links)),
        passes_nan_(body_.passes_nan()),
        block_rows_(rows_for(body_.widest() * sizeof(T))),
        chain_bytes_(whole_lines(
            std::max(body_.scratch_bytes(block_rows_), links_.scratch_bytes(block_rows_)))) {}

  std::size_t columns() const noexcept { return body_.columns(); }
  std::size_t outputs() const noexcept { return body_.outputs(); }
  std::size_t operations() const noexcept { return body_.operations() + links_.operations(); }

  /// One line a stage.
  std::vector<std::string> plan() const {
    std::vector<std::string> lines;
    for (const auto& stage : body_.stages()) lines.push_back(stage->describe());
    for (const auto& stage : links_.stages()) lines.push_back(stage->describe());
    return lines;
  }

  template <typename In>
  std::size_t scratch_bytes() const noexcept {
    const std::size_t converted = std::is_same_v<In, T> ? 0 : columns();
    return chain_bytes_ + block_rows_ * converted * sizeof(T);
  }

  template <typename In>
  std::optional<MissingValue> score(const In* x, std::size_t rows, EngineOutputs<T> y,
                                    bool refuses_missing, Workspace& workspace) const {
    std::byte* const scratch = workspace.reserve(scratch_bytes<In>());
    for (std::size_t row = 0; row < rows; row += block_rows_) {
      const std::size_t count = std::min(block_rows_, rows - row);
      const In* features = x + row * columns();
      T* const scores = y.scores + row * outputs();
      T* const margin = y.margin == nullptr ? nullptr : y.margin + row * outputs();
      run_block(features, count, {scores, margin}, scratch);
      if (!refuses_missing || (passes_nan_ && !any_nan(scores, count * outputs()))) continue;
      if (const auto missing = find_nan(features, count, columns())) {
        return MissingValue{row + missing->row, missing->column};
      }
    }
    return std::nullopt;
  }

  bool takes_sparse() const noexcept { return body_.takes_sparse(); }

  /// The scores of rows without their zeros, where takes_sparse().
  template <typename In>
  std::optional<MissingValue> score_sparse(const SparseRows<In>& x, std::size_t rows, T* y,
                                           bool refuses_missing, Workspace& workspace) const {
    if (refuses_missing) {
      if (const auto missing = find_nan(x, rows)) return missing;
    }
    std::byte* const scratch = workspace.reserve(chain_bytes_);
    for (std::size_t row = 0; row < rows; row += block_rows_) {
      const std::size_t count = std::min(block_rows_, rows - row);
      T* const scores = y + row * outputs();
      body_.run_sparse(x.from(row), count, scores, scratch);
      links_.run(scores, count, scores, scratch);
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
  void run_block(const In* features, std::size_t rows, EngineOutputs<T> y,
                 std::byte* scratch) const noexcept {
    if constexpr (std::is_same_v<In, T>) {
      run_stages(features, rows, y, scratch);
    } else {
      T* const converted = reinterpret_cast<T*>(scratch + chain_bytes_);
      for (std::size_t i = 0; i < rows * columns(); ++i) {
        converted[i] = static_cast<T>(load(features, i));
      }
      run_stages(converted, rows, y, scratch);
    }
  }

  void run_stages(const T* values, std::size_t rows, EngineOutputs<T> y,
                  std::byte* scratch) const noexcept {
    body_.run(values, rows, y.scores, scratch);
    if (y.margin != nullptr) copy_values(y.scores, rows * outputs(), y.margin);
    links_.run(y.scores, rows, y.scores, scratch);
  }

  Chain<T> body_;
  Chain<T> links_;
  bool passes_nan_;  // the scores tell whether a feature is NaN
  std::size_t block_rows_ = 1;
  std::size_t chain_bytes_ = 0;  // the scratch of the chains for a block
};

}  // namespace thriftscore
