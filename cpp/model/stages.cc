// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "model/aligned.h"
#include "model/stage.h"

namespace thriftscore {
namespace {

// Of an exponential, in units of the multiply-adds that the other stages count.
constexpr std::size_t kTranscendentalOperations = 16;

template <typename T>
AlignedVector<T> rounded(const Tensor& tensor) {
  AlignedVector<T> values(tensor.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(tensor[i]);
  return values;
}

template <typename T>
struct Weights {
  explicit Weights(const DenseSpec& dense)
      : weights(rounded<T>(*dense.weights)), bias(rounded<T>(*dense.bias)) {}

  /// Arranges the weights, which are final, for the kernels in use.
  void pack() {
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
  std::size_t operations() const noexcept { return weights.size(); }
  std::string shape() const {
    return std::to_string(sum().columns) + " -> " + std::to_string(sum().outputs);
  }

  AlignedVector<T> weights;
  AlignedVector<T> bias;
  AlignedVector<T> packed;
  decltype(kernels::WeightedSum<T>::packed_by) packed_by = nullptr;
};

template <typename T>
class ScaleStage final : public Stage<T> {
 public:
  explicit ScaleStage(const ScaleSpec& scale)
      : Stage<T>(scale.mean->size(), scale.mean->size()),
        mean_(rounded<T>(*scale.mean)),
        scale_(rounded<T>(*scale.scale)) {}

  bool in_place() const noexcept override { return true; }
  void run(const T* x, std::size_t rows, T* y) const noexcept override {
    kernels::active<T>().normalize({mean_.data(), scale_.data(), mean_.size()}, x, rows, y);
  }
  std::size_t operations() const noexcept override { return mean_.size(); }
  std::string describe() const override { return "scale " + std::to_string(mean_.size()); }

 private:
  AlignedVector<T> mean_;
  AlignedVector<T> scale_;
};

template <typename T>
class DenseStage final : public Stage<T> {
 public:
  DenseStage(Weights<T> weights, std::string note)
      : Stage<T>(weights.sum().columns, weights.sum().outputs),
        weights_(std::move(weights)),
        note_(std::move(note)) {
    weights_.pack();
  }

  void run(const T* x, std::size_t rows, T* y) const noexcept override {
    kernels::active<T>().weighted_sum(weights_.sum(), x, rows, y);
  }
  std::size_t operations() const noexcept override { return weights_.operations(); }
  std::string describe() const override { return "dense " + weights_.shape() + note_; }

 private:
  Weights<T> weights_;
  std::string note_;
};

template <typename T>
class ScaledDenseStage final : public Stage<T> {
 public:
  /// `weights` have been divided by the scale.
  ScaledDenseStage(const ScaleSpec& scale, Weights<T> weights)
      : Stage<T>(weights.sum().columns, weights.sum().outputs),
        mean_(rounded<T>(*scale.mean)),
        weights_(std::move(weights)) {
    weights_.pack();
  }

  void run(const T* x, std::size_t rows, T* y) const noexcept override {
    const kernels::Normalizer<T> centre{mean_.data(), nullptr, mean_.size()};
    kernels::active<T>().normalized_weighted_sum(centre, weights_.sum(), x, rows, y);
  }
  std::size_t operations() const noexcept override { return mean_.size() + weights_.operations(); }
  std::string describe() const override {
    return "dense " + weights_.shape() + ", scale fused: the mean is subtracted first";
  }

 private:
  AlignedVector<T> mean_;
  Weights<T> weights_;
};

template <typename T>
class LinkStage final : public Stage<T> {
 public:
  LinkStage(LinkFunction function, std::size_t columns)
      : Stage<T>(columns, columns), function_(function) {}

  bool in_place() const noexcept override { return true; }
  void run(const T* x, std::size_t rows, T* y) const noexcept override {
    const std::size_t count = rows * this->columns();
    if (x != y && count != 0) {
      std::memcpy(static_cast<void*>(y), static_cast<const void*>(x), count * sizeof(T));
    }
    const kernels::Kernels<T>& kernels = kernels::active<T>();
    if (function_ == LinkFunction::kSigmoid) kernels.sigmoid(y, count);
    if (function_ == LinkFunction::kExponential) kernels.exponential(y, count);
    if (function_ == LinkFunction::kSoftmax) kernels.softmax(y, rows, this->columns());
  }
  std::size_t operations() const noexcept override {
    return function_ == LinkFunction::kIdentity ? 0 : kTranscendentalOperations * this->columns();
  }
  std::string describe() const override { return std::string("link ") + name_of(function_); }

 private:
  LinkFunction function_;
};

// Folding turns w (x - mean) / scale into w/scale x - w mean/scale, which cancels digits in
// proportion to |mean / scale|: a float may lose one bit, a double six of its 53.
template <typename T>
constexpr double kFoldableOffset = sizeof(T) == sizeof(float) ? 1.0 : 64.0;

template <typename T>
bool offsets_are_small(const ScaleSpec& scale) {
  for (std::size_t c = 0; c < scale.mean->size(); ++c) {
    if (!(std::abs((*scale.mean)[c] / (*scale.scale)[c]) <= kFoldableOffset<T>)) return false;
  }
  return true;
}

// How weights / scale lie in T. An underflow loses digits but stays finite.
enum class Range { kNormal, kUnderflow, kOverflow };

template <typename T>
Range range_of_folded(const ScaleSpec& scale, const DenseSpec& dense) {
  Range range = Range::kNormal;
  const std::size_t columns = scale.scale->size();
  for (std::size_t i = 0; i < dense.weights->size(); ++i) {
    const double exact = (*dense.weights)[i] / (*scale.scale)[i % columns];
    if (!std::isfinite(static_cast<T>(exact))) return Range::kOverflow;
    const bool tiny = std::abs(exact) < double{std::numeric_limits<T>::min()};
    if (tiny && exact != 0.0) range = Range::kUnderflow;
  }
  return range;
}

// weights / scale and the bias, in double and rounded once. `kept_mean` is what the stage still
// subtracts from a column, given its mean: nothing, or the mean rounded to T; the bias takes the
// rest.
template <typename T, typename KeptMean>
void fold(const ScaleSpec& scale, const DenseSpec& dense, KeptMean kept_mean, Weights<T>& weights) {
  const std::size_t columns = scale.scale->size();
  for (std::size_t o = 0; o < weights.bias.size(); ++o) {
    double bias = (*dense.bias)[o];
    for (std::size_t c = 0; c < columns; ++c) {
      const double weight = (*dense.weights)[o * columns + c] / (*scale.scale)[c];
      weights.weights[o * columns + c] = static_cast<T>(weight);
      bias -= weight * ((*scale.mean)[c] - kept_mean((*scale.mean)[c]));
    }
    weights.bias[o] = static_cast<T>(bias);
  }
}

template <typename T>
bool bias_is_finite(const Weights<T>& weights) {
  return std::all_of(weights.bias.begin(), weights.bias.end(),
                     [](T bias) { return std::isfinite(bias); });
}

}  // namespace

template <typename T>
StagePointer<T> make_scale(const ScaleSpec& scale) {
  return std::make_unique<ScaleStage<T>>(scale);
}

template <typename T>
StagePointer<T> make_dense(const DenseSpec& dense) {
  return std::make_unique<DenseStage<T>>(Weights<T>(dense), "");
}

template <typename T>
StagePointer<T> make_scaled_dense(const ScaleSpec& scale, const DenseSpec& dense) {
  const Range range = range_of_folded<T>(scale, dense);
  if (range == Range::kOverflow) return nullptr;
  Weights<T> weights(dense);
  if (range == Range::kNormal && offsets_are_small<T>(scale)) {
    fold(
        scale, dense, [](double /*mean*/) { return 0.0; }, weights);
    if (!bias_is_finite(weights)) return nullptr;
    return std::make_unique<DenseStage<T>>(std::move(weights), ", scale folded");
  }
  fold(
      scale, dense, [](double mean) { return double{static_cast<T>(mean)}; }, weights);
  if (!bias_is_finite(weights)) return nullptr;
  return std::make_unique<ScaledDenseStage<T>>(scale, std::move(weights));
}

template <typename T>
StagePointer<T> make_link(LinkFunction function, std::size_t columns) {
  return std::make_unique<LinkStage<T>>(function, columns);
}

template StagePointer<float> make_scale(const ScaleSpec&);
template StagePointer<double> make_scale(const ScaleSpec&);
template StagePointer<float> make_dense(const DenseSpec&);
template StagePointer<double> make_dense(const DenseSpec&);
template StagePointer<float> make_scaled_dense(const ScaleSpec&, const DenseSpec&);
template StagePointer<double> make_scaled_dense(const ScaleSpec&, const DenseSpec&);
template StagePointer<float> make_link(LinkFunction, std::size_t);
template StagePointer<double> make_link(LinkFunction, std::size_t);

}  // namespace thriftscore
