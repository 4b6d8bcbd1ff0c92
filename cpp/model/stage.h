// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "model/aligned.h"
#include "model/sparse_rows.h"
#include "model/stage_spec.h"

namespace thriftscore {

/// What a stage does that takes rows without their zeros.
template <typename T>
class SparseInput {
 public:
  virtual ~SparseInput() = default;
  /// As Stage::run, to the same bits. The values are rounded to T first.
  virtual void run_sparse(const SparseRows<float>& x, std::size_t rows, T* y,
                          std::byte* scratch) const noexcept = 0;
  virtual void run_sparse(const SparseRows<double>& x, std::size_t rows, T* y,
                          std::byte* scratch) const noexcept = 0;
};

/// One step of a plan: rows of columns() values to rows of outputs() values. Immutable.
template <typename T>
class Stage {
 public:
  Stage(std::size_t columns, std::size_t outputs) : columns_(columns), outputs_(outputs) {}
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  virtual ~Stage() = default;

  std::size_t columns() const noexcept { return columns_; }
  std::size_t outputs() const noexcept { return outputs_; }

  /// Values in the widest row that it has in hand, which bounds how many rows a block may have.
  virtual std::size_t widest() const noexcept { return std::max(columns_, outputs_); }

  /// True where `y` of run() may be `x`; columns() and outputs() are then equal.
  virtual bool in_place() const noexcept { return false; }

  /// True where a NaN in a row leaves at least one NaN in what the row gives, whatever the rest of
  /// the row is. Where all stages do, NaN features are found by looking at the scores.
  virtual bool passes_nan() const noexcept { return false; }

  /// What run() takes of its `scratch` for so many rows; more rows never take less.
  virtual std::size_t scratch_bytes(std::size_t /*rows*/) const noexcept { return 0; }

  /// x [rows, columns()] to y [rows, outputs()], at any address, apart unless in_place().
  /// `scratch` is aligned to 64 bytes and of any content; it may be null where no byte is asked
  /// for. What a row gives does not depend on the rows beside it. No allocation.
  virtual void run(const T* x, std::size_t rows, T* y, std::byte* scratch) const noexcept = 0;

  /// Null where the stage needs rows in full.
  virtual const SparseInput<T>* sparse_input() const noexcept { return nullptr; }

  /// Arithmetic operations a row, roughly: what decides where a request is computed.
  virtual std::size_t operations() const noexcept = 0;

  /// One line for people.
  virtual std::string describe() const = 0;

 private:
  std::size_t columns_;
  std::size_t outputs_;
};

template <typename T>
using StagePointer = std::unique_ptr<const Stage<T>>;

/// `values` rounded to T, once each.
template <typename T>
AlignedVector<T> rounded(const std::vector<double>& values) {
  AlignedVector<T> result(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) result[i] = static_cast<T>(values[i]);
  return result;
}

/// The stage of a specification, for rows of `columns` values: one overload for each operator.
template <typename T>
StagePointer<T> make_stage(const ScaleSpec& scale, std::size_t columns);
template <typename T>
StagePointer<T> make_stage(const DenseSpec& dense, std::size_t columns);
template <typename T>
StagePointer<T> make_stage(const LinkSpec& link, std::size_t columns);
template <typename T>
StagePointer<T> make_stage(const SelectSpec& select, std::size_t columns);
template <typename T>
StagePointer<T> make_stage(const ImputeSpec& impute, std::size_t columns);
template <typename T>
StagePointer<T> make_stage(const ClipSpec& clip, std::size_t columns);
template <typename T>
StagePointer<T> make_stage(const RowNormSpec& row_norm, std::size_t columns);
template <typename T>
StagePointer<T> make_stage(const BinarizeSpec& binarize, std::size_t columns);
template <typename T>
StagePointer<T> make_stage(const OneHotSpec& one_hot, std::size_t columns);
template <typename T>
StagePointer<T> make_stage(const SparseLinearSpec& sparse_linear, std::size_t columns);
template <typename T>
StagePointer<T> make_stage(const ConcatSpec& concat, std::size_t columns);
template <typename T>
StagePointer<T> make_stage(const SumSpec& sum, std::size_t columns);
template <typename T>
StagePointer<T> make_stage(const ForestSpec& forest, std::size_t columns);

}  // namespace thriftscore
