// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <string>

#include "kernels/unaligned.h"
#include "model/stage.h"

namespace thriftscore {
namespace {

using kernels::load_value;
using kernels::store_value;

// Rows at a time, whose sums do not wait for one another.
constexpr std::size_t kRows = 4;

// Adds up in double, in the order of the columns, and rounds once.
template <typename T>
class SparseLinearStage final : public Stage<T> {
 public:
  SparseLinearStage(const SparseLinearSpec& sparse, std::size_t columns)
      : Stage<T>(columns, sparse.bias.size()), sparse_(sparse) {}

  void run(const T* x, std::size_t rows, T* y, std::byte* /*scratch*/) const noexcept override {
    for (; rows >= kRows; rows -= kRows) {
      sum_rows<kRows>(x, y);
      x += kRows * this->columns();
      y += kRows * this->outputs();
    }
    for (; rows > 0; --rows) {
      sum_rows<1>(x, y);
      x += this->columns();
      y += this->outputs();
    }
  }
  std::size_t operations() const noexcept override { return 2 * sparse_.weights.size(); }
  std::string describe() const override {
    return "sparse_linear " + std::to_string(this->columns()) + " -> " +
           std::to_string(this->outputs()) + ", " + std::to_string(sparse_.weights.size()) +
           " weights" + sparse_.note;
  }

 private:
  template <std::size_t kCount>
  void sum_rows(const T* x, T* y) const noexcept {
    for (std::size_t o = 0; o < this->outputs(); ++o) {
      double sums[kCount];
      std::fill_n(sums, kCount, sparse_.bias[o]);
      for (std::size_t i = sparse_.offsets[o]; i < sparse_.offsets[o + 1]; ++i) {
        for (std::size_t row = 0; row < kCount; ++row) {
          const T value = load_value(x, row * this->columns() + sparse_.indices[i]);
          sums[row] += sparse_.weights[i] * value;
        }
      }
      for (std::size_t row = 0; row < kCount; ++row) {
        store_value(static_cast<T>(sums[row]), y, row * this->outputs() + o);
      }
    }
  }

  SparseLinearSpec sparse_;
};

}  // namespace

template <typename T>
StagePointer<T> make_stage(const SparseLinearSpec& sparse, std::size_t columns) {
  return std::make_unique<SparseLinearStage<T>>(sparse, columns);
}

template StagePointer<float> make_stage(const SparseLinearSpec&, std::size_t);
template StagePointer<double> make_stage(const SparseLinearSpec&, std::size_t);

}  // namespace thriftscore
