// SPDX-License-Identifier: Apache-2.0
#include "model/function.h"

#include <cmath>
#include <numbers>

#include "kernels/kernels.h"
#include "kernels/unaligned.h"

namespace thriftscore {
namespace {

// Klambauer et al., Self-Normalizing Neural Networks, 2017; as PyTorch and ONNX have them.
constexpr double kSeluScale = 1.0507009873554804934193349852946;
constexpr double kSeluAlpha = 1.6732632423543772848170429916717;

// Of an exponential, in units of the multiply-adds that operations() counts.
constexpr std::size_t kTranscendentalOperations = 16;

// The rarer functions, of which a model has one a row: no kernels.
template <typename T, class ValueFunction>
void transform(T* y, std::size_t count, ValueFunction function) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    kernels::store_value(function(kernels::load_value(y, i)), y, i);
  }
}

template <typename T>
T normal_distribution(T x) noexcept {
  return static_cast<T>(std::erfc(-double{x} * (std::numbers::sqrt2 / 2)) / 2);
}

template <typename T>
void apply_rare(Function function, T* y, std::size_t count) noexcept {
  if (function == Function::kProbit) transform(y, count, normal_distribution<T>);
  if (function == Function::kReciprocal) transform(y, count, [](T x) { return T{1} / x; });
  if (function == Function::kSquareSigned) {
    transform(y, count, [](T x) { return x * std::abs(x); });
  }
}

}  // namespace

const char* name_of(Function function) noexcept {
  static constexpr const char* kNames[] = {
      "identity", "relu",    "leaky_relu", "elu",    "selu",          "sigmoid", "tanh",
      "softplus", "softmax", "exp",        "probit", "square_signed", "cloglog", "reciprocal"};
  return kNames[static_cast<std::size_t>(function)];
}

template <typename T>
void apply(Function function, T alpha, T* y, std::size_t rows, std::size_t columns) noexcept {
  const kernels::Kernels<T>& kernels = kernels::active<T>();
  const std::size_t count = rows * columns;
  switch (function) {
    case Function::kIdentity:
      return;
    case Function::kRelu:
      return kernels.relu(y, count);
    case Function::kLeakyRelu:
      return kernels.leaky_relu(alpha, y, count);
    case Function::kElu:
      return kernels.exponential_unit(T{1}, alpha, y, count);
    case Function::kSelu:
      return kernels.exponential_unit(static_cast<T>(kSeluScale),
                                      static_cast<T>(kSeluScale * kSeluAlpha), y, count);
    case Function::kSigmoid:
      return kernels.sigmoid(y, count);
    case Function::kTanh:
      return kernels.tanh(y, count);
    case Function::kSoftplus:
      return kernels.softplus(y, count);
    case Function::kSoftmax:
      return kernels.softmax(y, rows, columns);
    case Function::kExponential:
      return kernels.exponential(y, count);
    case Function::kCloglog:
      return kernels.complementary_log_log(y, count);
    case Function::kProbit:
    case Function::kSquareSigned:
    case Function::kReciprocal:
      return apply_rare(function, y, count);
  }
}

template void apply(Function, float, float*, std::size_t, std::size_t) noexcept;
template void apply(Function, double, double*, std::size_t, std::size_t) noexcept;

std::size_t operations_of(Function function) noexcept {
  switch (function) {
    case Function::kIdentity:
      return 0;
    case Function::kRelu:
    case Function::kLeakyRelu:
    case Function::kSquareSigned:
    case Function::kReciprocal:
      return 1;
    default:
      return kTranscendentalOperations;
  }
}

}  // namespace thriftscore
