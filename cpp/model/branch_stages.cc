// SPDX-License-Identifier: Apache-2.0
// Stages that hold chains of their own.
#include <algorithm>
#include <memory>
#include <utility>

#include "kernels/unaligned.h"
#include "model/plan.h"
#include "model/stage.h"

namespace thriftscore {
namespace {

using kernels::load_value;
using kernels::store_value;

template <typename T>
class BranchStage : public Stage<T> {
 public:
  BranchStage(const std::vector<ChainSpec>& branches, std::size_t columns, std::size_t outputs)
      : Stage<T>(columns, outputs) {
    for (const ChainSpec& branch : branches) {
      branches_.push_back(make_chain<T>(branch, columns));
      widest_ = std::max(widest_, branches_.back().outputs());
    }
  }

  std::size_t widest() const noexcept override {
    std::size_t widest = Stage<T>::widest();
    for (const Chain<T>& branch : branches_) widest = std::max(widest, branch.widest());
    return widest;
  }
  // Every branch sees every column.
  bool passes_nan() const noexcept override {
    return std::any_of(branches_.begin(), branches_.end(),
                       [](const Chain<T>& branch) { return branch.passes_nan(); });
  }
  std::size_t operations() const noexcept override {
    std::size_t total = this->outputs();
    for (const Chain<T>& branch : branches_) total += branch.operations();
    return total;
  }
  std::size_t scratch_bytes(std::size_t rows) const noexcept override {
    std::size_t of_branches = 0;
    for (const Chain<T>& branch : branches_) {
      of_branches = std::max(of_branches, branch.scratch_bytes(rows));
    }
    return given_bytes(rows) + of_branches;
  }

 protected:
  const std::vector<Chain<T>>& branches() const noexcept { return branches_; }
  std::string describe_branches() const {
    std::string text;
    for (const Chain<T>& branch : branches_) text += " [" + branch.describe() + "]";
    return text;
  }

  // What a branch gives for x [rows, columns()], in `scratch`, until the next call.
  const T* values_of(const Chain<T>& branch, const T* x, std::size_t rows,
                     std::byte* scratch) const noexcept {
    if (branch.stages().empty()) return x;
    T* const given = reinterpret_cast<T*>(scratch);
    branch.run(x, rows, given, scratch + given_bytes(rows));
    return given;
  }

 private:
  std::size_t given_bytes(std::size_t rows) const noexcept {
    return whole_lines(rows * widest_ * sizeof(T));
  }

  std::vector<Chain<T>> branches_;
  std::size_t widest_ = 0;  // of what the branches give
};

template <typename T>
class ConcatStage final : public BranchStage<T> {
 public:
  ConcatStage(const ConcatSpec& concat, std::size_t columns, std::size_t outputs)
      : BranchStage<T>(concat.branches, columns, outputs) {}

  void run(const T* x, std::size_t rows, T* y, std::byte* scratch) const noexcept override {
    for (const Chain<T>& branch : this->branches()) {
      const T* const given = this->values_of(branch, x, rows, scratch);
      for (std::size_t row = 0; row < rows; ++row) {
        copy_values(given + row * branch.outputs(), branch.outputs(), y + row * this->outputs());
      }
      y += branch.outputs();
    }
  }
  std::string describe() const override {
    return "concat " + std::to_string(this->columns()) + " -> " + std::to_string(this->outputs()) +
           " of" + this->describe_branches();
  }
};

// Adds up in double and rounds once.
template <typename T>
class SumStage final : public BranchStage<T> {
 public:
  SumStage(const SumSpec& sum, std::size_t columns)
      : BranchStage<T>(sum.branches, columns, sum.bias.size()),
        weights_(sum.weights),
        bias_(sum.bias) {}

  std::size_t scratch_bytes(std::size_t rows) const noexcept override {
    return total_bytes(rows) + BranchStage<T>::scratch_bytes(rows);
  }
  void run(const T* x, std::size_t rows, T* y, std::byte* scratch) const noexcept override {
    auto* const totals = reinterpret_cast<double*>(scratch);
    for (std::size_t row = 0; row < rows; ++row) {
      std::copy(bias_.begin(), bias_.end(), totals + row * bias_.size());
    }
    const std::size_t count = rows * this->outputs();
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      const T* const given =
          this->values_of(this->branches()[i], x, rows, scratch + total_bytes(rows));
      for (std::size_t j = 0; j < count; ++j) totals[j] += weights_[i] * load_value(given, j);
    }
    for (std::size_t j = 0; j < count; ++j) store_value(static_cast<T>(totals[j]), y, j);
  }
  std::string describe() const override {
    return "sum " + std::to_string(this->columns()) + " -> " + std::to_string(this->outputs()) +
           " of" + this->describe_branches();
  }

 private:
  std::size_t total_bytes(std::size_t rows) const noexcept {
    return whole_lines(rows * this->outputs() * sizeof(double));
  }

  std::vector<double> weights_;
  std::vector<double> bias_;
};

}  // namespace

template <typename T>
StagePointer<T> make_stage(const ConcatSpec& concat, std::size_t columns) {
  std::size_t outputs = 0;
  for (const ChainSpec& branch : concat.branches) outputs += outputs_of(branch, columns);
  return std::make_unique<ConcatStage<T>>(concat, columns, outputs);
}

template <typename T>
StagePointer<T> make_stage(const SumSpec& sum, std::size_t columns) {
  return std::make_unique<SumStage<T>>(sum, columns);
}

template StagePointer<float> make_stage(const ConcatSpec&, std::size_t);
template StagePointer<double> make_stage(const ConcatSpec&, std::size_t);
template StagePointer<float> make_stage(const SumSpec&, std::size_t);
template StagePointer<double> make_stage(const SumSpec&, std::size_t);

}  // namespace thriftscore
