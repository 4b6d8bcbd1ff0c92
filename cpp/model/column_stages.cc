// SPDX-License-Identifier: Apache-2.0
// Stages that work on one value at a time. Plain loops: they move little and compute less.
#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "kernels/kernels.h"
#include "kernels/unaligned.h"
#include "model/chain.h"
#include "model/stage.h"

namespace thriftscore {
namespace {

using kernels::load_value;
using kernels::store_value;

template <typename T>
class ScaleStage final : public Stage<T> {
 public:
  explicit ScaleStage(const ScaleSpec& scale)
      : Stage<T>(scale.mean.size(), scale.mean.size()),
        mean_(rounded<T>(scale.mean)),
        scale_(rounded<T>(scale.scale)) {}

  bool in_place() const noexcept override { return true; }
  bool passes_nan() const noexcept override { return true; }
  void run(const T* x, std::size_t rows, T* y, std::byte* /*scratch*/) const noexcept override {
    kernels::active<T>().normalize({mean_.data(), scale_.data(), mean_.size()}, x, rows, y);
  }
  std::size_t operations() const noexcept override { return mean_.size(); }
  std::string describe() const override { return "scale " + std::to_string(mean_.size()); }

 private:
  AlignedVector<T> mean_;
  AlignedVector<T> scale_;
};

template <typename T>
class SelectStage final : public Stage<T> {
 public:
  SelectStage(const SelectSpec& select, std::size_t columns)
      : Stage<T>(columns, select.columns.size()), columns_(select.columns) {
    for (std::size_t o = 1; o < columns_.size(); ++o) {
      neighbours_ = neighbours_ && columns_[o] == columns_[o - 1] + 1;
    }
  }

  void run(const T* x, std::size_t rows, T* y, std::byte* /*scratch*/) const noexcept override {
    for (std::size_t row = 0; row < rows; ++row) {
      if (neighbours_) {
        copy_values(x + columns_.front(), columns_.size(), y);
      } else {
        for (std::size_t o = 0; o < columns_.size(); ++o) {
          store_value(load_value(x, columns_[o]), y, o);
        }
      }
      x += this->columns();
      y += this->outputs();
    }
  }
  std::size_t operations() const noexcept override { return columns_.size(); }
  std::string describe() const override {
    return "select " + std::to_string(columns_.size()) + " of " + std::to_string(this->columns());
  }

 private:
  std::vector<std::uint32_t> columns_;
  bool neighbours_ = true;
};

// A function of a value and its column, y = function(x, column), which may be done in place.
template <typename T, class Function>
class ColumnwiseStage final : public Stage<T> {
 public:
  ColumnwiseStage(Function function, std::size_t columns)
      : Stage<T>(columns, columns), function_(std::move(function)) {}

  bool in_place() const noexcept override { return true; }
  bool passes_nan() const noexcept override { return function_.passes_nan(); }
  void run(const T* x, std::size_t rows, T* y, std::byte* /*scratch*/) const noexcept override {
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t c = 0; c < this->columns(); ++c) {
        const std::size_t i = row * this->columns() + c;
        store_value(function_(load_value(x, i), c), y, i);
      }
    }
  }
  std::size_t operations() const noexcept override { return this->columns(); }
  std::string describe() const override {
    return std::string(Function::kName) + " " + std::to_string(this->columns());
  }

 private:
  Function function_;
};

template <typename T, class Function>
StagePointer<T> make_columnwise(Function function, std::size_t columns) {
  return std::make_unique<ColumnwiseStage<T, Function>>(std::move(function), columns);
}

template <typename T>
struct ImputeNan {
  static constexpr const char* kName = "impute";
  static bool passes_nan() noexcept { return false; }
  T operator()(T x, std::size_t c) const noexcept { return std::isnan(x) ? values[c] : x; }

  AlignedVector<T> values;
};

template <typename T>
struct ImputeNumber {
  static constexpr const char* kName = "impute";
  static bool passes_nan() noexcept { return true; }
  T operator()(T x, std::size_t c) const noexcept { return x == missing ? values[c] : x; }

  AlignedVector<T> values;
  T missing;
};

template <typename T>
struct Clip {
  static constexpr const char* kName = "clip";
  static bool passes_nan() noexcept { return true; }
  T operator()(T x, std::size_t c) const noexcept {
    const T above = x < low[c] ? low[c] : x;
    return above > high[c] ? high[c] : above;
  }

  AlignedVector<T> low;
  AlignedVector<T> high;
};

template <typename T>
struct Binarize {
  static constexpr const char* kName = "binarize";
  static bool passes_nan() noexcept { return false; }
  T operator()(T x, std::size_t c) const noexcept { return x > thresholds[c] ? T{1} : T{0}; }

  AlignedVector<T> thresholds;
};

// The largest T that is not above: x > it for every T that is above the double, and no other.
template <typename T>
T rounded_down(double value) noexcept {
  const T nearest = static_cast<T>(value);
  const bool above = double{nearest} > value;
  return above ? std::nextafter(nearest, -std::numeric_limits<T>::infinity()) : nearest;
}

}  // namespace

template <typename T>
StagePointer<T> make_stage(const ScaleSpec& scale, std::size_t /*columns*/) {
  return std::make_unique<ScaleStage<T>>(scale);
}

template <typename T>
StagePointer<T> make_stage(const SelectSpec& select, std::size_t columns) {
  return std::make_unique<SelectStage<T>>(select, columns);
}

template <typename T>
StagePointer<T> make_stage(const ImputeSpec& impute, std::size_t columns) {
  AlignedVector<T> values = rounded<T>(impute.values);
  if (!impute.missing) return make_columnwise<T>(ImputeNan<T>{std::move(values)}, columns);
  const T missing = static_cast<T>(*impute.missing);
  return make_columnwise<T>(ImputeNumber<T>{std::move(values), missing}, columns);
}

template <typename T>
StagePointer<T> make_stage(const ClipSpec& clip, std::size_t columns) {
  return make_columnwise<T>(Clip<T>{rounded<T>(clip.low), rounded<T>(clip.high)}, columns);
}

template <typename T>
StagePointer<T> make_stage(const BinarizeSpec& binarize, std::size_t columns) {
  AlignedVector<T> thresholds(columns);
  for (std::size_t c = 0; c < columns; ++c) {
    thresholds[c] = rounded_down<T>(binarize.thresholds[c]);
  }
  return make_columnwise<T>(Binarize<T>{std::move(thresholds)}, columns);
}

template StagePointer<float> make_stage(const ScaleSpec&, std::size_t);
template StagePointer<double> make_stage(const ScaleSpec&, std::size_t);
template StagePointer<float> make_stage(const SelectSpec&, std::size_t);
template StagePointer<double> make_stage(const SelectSpec&, std::size_t);
template StagePointer<float> make_stage(const ImputeSpec&, std::size_t);
template StagePointer<double> make_stage(const ImputeSpec&, std::size_t);
template StagePointer<float> make_stage(const ClipSpec&, std::size_t);
template StagePointer<double> make_stage(const ClipSpec&, std::size_t);
template StagePointer<float> make_stage(const BinarizeSpec&, std::size_t);
template StagePointer<double> make_stage(const BinarizeSpec&, std::size_t);

}  // namespace thriftscore
