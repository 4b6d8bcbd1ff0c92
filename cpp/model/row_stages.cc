// SPDX-License-Identifier: Apache-2.0
// Stages that work on one row at a time.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "kernels/unaligned.h"
#include "model/stage.h"

namespace thriftscore {
namespace {

using kernels::load_value;
using kernels::store_value;

template <typename T>
class RowNormStage final : public Stage<T> {
 public:
  RowNormStage(Norm norm, std::size_t columns) : Stage<T>(columns, columns), norm_(norm) {}

  bool in_place() const noexcept override { return true; }
  bool passes_nan() const noexcept override { return true; }
  void run(const T* x, std::size_t rows, T* y, std::byte* /*scratch*/) const noexcept override {
    const std::size_t columns = this->columns();
    for (std::size_t row = 0; row < rows; ++row, x += columns, y += columns) {
      const double length = norm_of(x);
      const double divisor = length == 0 ? 1 : length;
      for (std::size_t c = 0; c < columns; ++c) {
        store_value(static_cast<T>(load_value(x, c) / divisor), y, c);
      }
    }
  }
  std::size_t operations() const noexcept override { return 2 * this->columns(); }
  std::string describe() const override {
    static constexpr const char* kNames[] = {"l1", "l2", "max"};
    return std::string("row_norm ") + kNames[static_cast<std::size_t>(norm_)] + " " +
           std::to_string(this->columns());
  }

 private:
  // In double, whose squares of floats neither overflow nor vanish.
  double norm_of(const T* x) const noexcept {
    double norm = 0;
    for (std::size_t c = 0; c < this->columns(); ++c) {
      const double value = load_value(x, c);
      if (norm_ == Norm::kMaximum) {
        norm = std::max(norm, std::abs(value));
      } else {
        norm += norm_ == Norm::kL2 ? value * value : std::abs(value);
      }
    }
    return norm_ == Norm::kL2 ? std::sqrt(norm) : norm;
  }

  Norm norm_;
};

template <typename T>
class OneHotStage final : public Stage<T> {
 public:
  OneHotStage(const OneHotSpec& one_hot, std::size_t columns)
      : Stage<T>(columns, one_hot.categories.size()),
        offsets_(one_hot.offsets),
        categories_(rounded<T>(one_hot.categories)),
        unknown_is_nan_(one_hot.unknown_is_nan) {}

  void run(const T* x, std::size_t rows, T* y, std::byte* /*scratch*/) const noexcept override {
    for (std::size_t row = 0; row < rows; ++row) {
      for (std::size_t c = 0; c < this->columns(); ++c) {
        encode(load_value(x, c), c, y);
      }
      x += this->columns();
      y += this->outputs();
    }
  }
  std::size_t operations() const noexcept override { return this->outputs(); }
  std::string describe() const override {
    return "one_hot " + std::to_string(this->columns()) + " -> " + std::to_string(this->outputs());
  }

 private:
  void encode(T value, std::size_t column, T* y) const noexcept {
    bool known = false;
    for (std::size_t o = offsets_[column]; o < offsets_[column + 1]; ++o) {
      const T category = categories_[o];
      const bool is_it = value == category || (std::isnan(value) && std::isnan(category));
      known |= is_it;
      store_value(is_it ? T{1} : T{0}, y, o);
    }
    if (known || !unknown_is_nan_) return;
    for (std::size_t o = offsets_[column]; o < offsets_[column + 1]; ++o) {
      store_value(std::numeric_limits<T>::quiet_NaN(), y, o);
    }
  }

  std::vector<std::size_t> offsets_;
  AlignedVector<T> categories_;
  bool unknown_is_nan_;
};

}  // namespace

template <typename T>
StagePointer<T> make_stage(const RowNormSpec& row_norm, std::size_t columns) {
  return std::make_unique<RowNormStage<T>>(row_norm.norm, columns);
}

template <typename T>
StagePointer<T> make_stage(const OneHotSpec& one_hot, std::size_t columns) {
  return std::make_unique<OneHotStage<T>>(one_hot, columns);
}

template StagePointer<float> make_stage(const RowNormSpec&, std::size_t);
template StagePointer<double> make_stage(const RowNormSpec&, std::size_t);
template StagePointer<float> make_stage(const OneHotSpec&, std::size_t);
template StagePointer<double> make_stage(const OneHotSpec&, std::size_t);

}  // namespace thriftscore
