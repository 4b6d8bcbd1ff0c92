// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "model/graph.h"

namespace thriftscore {

/// One step of a plan: rows of columns() values to rows of outputs() values. Immutable.
/// A new kind of stage needs a class in stages.cc, a StageSpec in graph.h and a line in plan.cc.
template <typename T>
class Stage {
 public:
  Stage(std::size_t columns, std::size_t outputs) : columns_(columns), outputs_(outputs) {}
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  virtual ~Stage() = default;

  std::size_t columns() const noexcept { return columns_; }
  std::size_t outputs() const noexcept { return outputs_; }

  /// True where `y` of run() may be `x`; columns() and outputs() are then equal.
  virtual bool in_place() const noexcept { return false; }

  /// x [rows, columns()] to y [rows, outputs()], at any address, apart unless in_place().
  /// What a row gives does not depend on the rows beside it. No allocation.
  virtual void run(const T* x, std::size_t rows, T* y) const noexcept = 0;

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

template <typename T>
StagePointer<T> make_scale(const ScaleSpec& scale);

template <typename T>
StagePointer<T> make_dense(const DenseSpec& dense);

/// A scale and the dense stage behind it as one. Folds the scale into the weights where that costs
/// no accuracy, otherwise keeps the subtraction of the mean. Null where the weights over the scale
/// leave the range of T.
template <typename T>
StagePointer<T> make_scaled_dense(const ScaleSpec& scale, const DenseSpec& dense);

template <typename T>
StagePointer<T> make_link(LinkFunction function, std::size_t columns);

}  // namespace thriftscore
