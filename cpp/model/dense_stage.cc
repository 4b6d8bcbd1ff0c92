// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <utility>

#include "kernels/kernels.h"
#include "model/function.h"
#include "model/stage.h"

namespace thriftscore {
namespace {

template <typename T>
struct Weights {
  explicit Weights(const DenseSpec& dense)
      : weights(rounded<T>(dense.weights)), bias(rounded<T>(dense.bias)) {
    const kernels::Kernels<T>& kernels = kernels::active<T>();
    packed.resize(kernels.packed_size(sum().columns, sum().outputs));
    if (packed.empty()) return;
    kernels.pack(sum(), packed.data());
    packed_by = kernels.pack;
  }

  kernels::WeightedSum<T> sum() const noexcept {
    return {.weights = weights.data(),
            .bias = bias.data(),
            .columns = weights.size() / bias.size(),
            .outputs = bias.size(),
            .packed = packed.empty() ? nullptr : packed.data(),
            .packed_by = packed_by};
  }

  AlignedVector<T> weights;
  AlignedVector<T> bias;
  AlignedVector<T> packed;
  decltype(kernels::WeightedSum<T>::packed_by) packed_by = nullptr;
};

template <typename T>
class DenseStage final : public Stage<T> {
 public:
  explicit DenseStage(const DenseSpec& dense)
      : Stage<T>(dense.weights.size() / dense.bias.size(), dense.bias.size()),
        weights_(dense),
        centre_(rounded<T>(dense.centre)),
        activation_(dense.activation),
        alpha_(static_cast<T>(dense.alpha)),
        note_(dense.note) {}

  bool passes_nan() const noexcept override { return true; }
  void run(const T* x, std::size_t rows, T* y, std::byte* /*scratch*/) const noexcept override {
    if (centre_.empty()) {
      kernels::active<T>().weighted_sum(weights_.sum(), x, rows, y);
    } else {
      const kernels::Normalizer<T> centre{centre_.data(), nullptr, centre_.size()};
      kernels::active<T>().normalized_weighted_sum(centre, weights_.sum(), x, rows, y);
    }
    apply(activation_, alpha_, y, rows, this->outputs());
  }
  std::size_t operations() const noexcept override {
    return weights_.weights.size() + centre_.size() + operations_of(activation_) * this->outputs();
  }
  std::string describe() const override {
    const bool plain = activation_ == Function::kIdentity;
    return "dense " + std::to_string(this->columns()) + " -> " + std::to_string(this->outputs()) +
           (plain ? "" : std::string(" ") + name_of(activation_)) + note_;
  }

 private:
  Weights<T> weights_;
  AlignedVector<T> centre_;  // subtracted from a row first; empty for none
  Function activation_;
  T alpha_;
  std::string note_;
};

}  // namespace

template <typename T>
StagePointer<T> make_stage(const DenseSpec& dense, std::size_t /*columns*/) {
  return std::make_unique<DenseStage<T>>(dense);
}

template StagePointer<float> make_stage(const DenseSpec&, std::size_t);
template StagePointer<double> make_stage(const DenseSpec&, std::size_t);

}  // namespace thriftscore
