// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/unaligned.h"
#include "model/chain.h"
#include "model/stage.h"

namespace thriftscore {
namespace {

using kernels::load_value;
using kernels::store_value;

// Rows at a time, whose sums do not wait for one another.
constexpr std::size_t kRows = 4;

// The weights by column: what one value of a row is multiplied with.
struct WeightsByColumn {
  WeightsByColumn(const SparseLinearSpec& sparse, std::size_t columns)
      : offsets(columns + 1), outputs(sparse.indices.size()), weights(sparse.indices.size()) {
    for (const std::uint32_t column : sparse.indices) ++offsets[column + 1];
    std::partial_sum(offsets.begin(), offsets.end(), offsets.begin());
    std::vector<std::size_t> next = offsets;
    for (std::size_t o = 0; o < sparse.bias.size(); ++o) {
      for (std::size_t i = sparse.offsets[o]; i < sparse.offsets[o + 1]; ++i) {
        const std::size_t place = next[sparse.indices[i]]++;
        outputs[place] = static_cast<std::uint32_t>(o);
        weights[place] = sparse.weights[i];
      }
    }
  }

  std::vector<std::size_t> offsets;  // [columns + 1] into the two below
  std::vector<std::uint32_t> outputs;
  std::vector<double> weights;
};

// Adds up in double, in the order of the columns, and rounds once. A zero adds nothing, so that
// rows without their zeros give the same bits.
template <typename T>
class SparseLinearStage final : public Stage<T>, public SparseInput<T> {
 public:
  SparseLinearStage(const SparseLinearSpec& sparse, std::size_t columns)
      : Stage<T>(columns, sparse.bias.size()), sparse_(sparse), by_column_(sparse, columns) {
    for (double& bias : sparse_.bias) bias += 0.0;  // makes 0 of -0, which + 0 would change
  }

  const SparseInput<T>* sparse_input() const noexcept override { return this; }
  std::size_t scratch_bytes(std::size_t /*rows*/) const noexcept override {
    return whole_lines(this->outputs() * sizeof(double));
  }
  void run_sparse(const SparseRows<float>& x, std::size_t rows, T* y,
                  std::byte* scratch) const noexcept override {
    run_rows(x, rows, y, scratch);
  }
  void run_sparse(const SparseRows<double>& x, std::size_t rows, T* y,
                  std::byte* scratch) const noexcept override {
    run_rows(x, rows, y, scratch);
  }

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

  template <typename In>
  void run_rows(const SparseRows<In>& x, std::size_t rows, T* y,
                std::byte* scratch) const noexcept {
    auto* const sums = reinterpret_cast<double*>(scratch);
    for (std::size_t row = 0; row < rows; ++row) {
      std::copy(sparse_.bias.begin(), sparse_.bias.end(), sums);
      const auto end = static_cast<std::size_t>(load_value(x.indptr, row + 1));
      for (auto i = static_cast<std::size_t>(load_value(x.indptr, row)); i < end; ++i) {
        const auto column = static_cast<std::size_t>(load_value(x.indices, i));
        add_column(column, static_cast<T>(load_value(x.values, i)), sums);
      }
      for (std::size_t o = 0; o < this->outputs(); ++o, ++y) {
        store_value(static_cast<T>(sums[o]), y, 0);
      }
    }
  }

  void add_column(std::size_t column, T value, double* sums) const noexcept {
    for (std::size_t i = by_column_.offsets[column]; i < by_column_.offsets[column + 1]; ++i) {
      sums[by_column_.outputs[i]] += by_column_.weights[i] * value;
    }
  }

  SparseLinearSpec sparse_;
  WeightsByColumn by_column_;
};

}  // namespace

template <typename T>
StagePointer<T> make_stage(const SparseLinearSpec& sparse, std::size_t columns) {
  return std::make_unique<SparseLinearStage<T>>(sparse, columns);
}

template StagePointer<float> make_stage(const SparseLinearSpec&, std::size_t);
template StagePointer<double> make_stage(const SparseLinearSpec&, std::size_t);

}  // namespace thriftscore
