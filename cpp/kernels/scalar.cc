// SPDX-License-Identifier: Apache-2.0
// The reference: the formulas as written, sums in double.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/targets.h"

namespace thriftscore::kernels {
namespace {

// Values may lie at any byte address, where dereferencing a T* is undefined.
template <typename T>
T load(const T* from, std::size_t index) noexcept {
  T value;
  std::memcpy(&value, reinterpret_cast<const char*>(from) + index * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
void store(T value, T* to, std::size_t index) noexcept {
  std::memcpy(reinterpret_cast<char*>(to) + index * sizeof(T), &value, sizeof(T));
}

template <typename T>
void weighted_sum(const WeightedSum<T>& sum, const T* x, std::size_t rows, T* y) noexcept {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t o = 0; o < sum.outputs; ++o) {
      double total = load(sum.bias, o);
      for (std::size_t c = 0; c < sum.columns; ++c) {
        total += double{load(sum.weights, o * sum.columns + c)} * load(x, r * sum.columns + c);
      }
      store(static_cast<T>(total), y, r * sum.outputs + o);
    }
  }
}

template <typename T>
void normalized_weighted_sum(const Normalizer<T>& normalizer, const WeightedSum<T>& sum, const T* x,
                             std::size_t rows, T* y) noexcept {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t o = 0; o < sum.outputs; ++o) {
      double total = load(sum.bias, o);
      for (std::size_t c = 0; c < sum.columns; ++c) {
        const double centred = double{load(x, r * sum.columns + c)} - load(normalizer.mean, c);
        const double weight = load(sum.weights, o * sum.columns + c);
        total += centred * (weight / load(normalizer.scale, c));
      }
      store(static_cast<T>(total), y, r * sum.outputs + o);
    }
  }
}

template <typename T>
void normalize(const Normalizer<T>& normalizer, const T* x, std::size_t rows, T* y) noexcept {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < normalizer.columns; ++c) {
      const std::size_t i = r * normalizer.columns + c;
      store((load(x, i) - load(normalizer.mean, c)) / load(normalizer.scale, c), y, i);
    }
  }
}

template <typename T>
void denormalize(const Normalizer<T>& normalizer, const T* x, std::size_t rows, T* y) noexcept {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < normalizer.columns; ++c) {
      const std::size_t i = r * normalizer.columns + c;
      store(load(normalizer.mean, c) + load(normalizer.scale, c) * load(x, i), y, i);
    }
  }
}

// exp(-|x|) cannot overflow, and dividing it keeps the digits of a result near zero.
template <typename T>
void sigmoid(T* y, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    const double value = load(y, i);
    const double power = std::exp(-std::abs(value));
    store(static_cast<T>((value < 0 ? power : 1.0) / (1.0 + power)), y, i);
  }
}

template <typename T>
void exponential(T* y, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    store(static_cast<T>(std::exp(double{load(y, i)})), y, i);
  }
}

template <typename T>
void softmax_row(T* y, std::size_t columns) noexcept {
  double maximum = -std::numeric_limits<double>::infinity();
  for (std::size_t c = 0; c < columns; ++c) maximum = std::max<double>(maximum, load(y, c));
  double total = 0;
  for (std::size_t c = 0; c < columns; ++c) total += std::exp(load(y, c) - maximum);
  for (std::size_t c = 0; c < columns; ++c) {
    store(static_cast<T>(std::exp(load(y, c) - maximum) / total), y, c);
  }
}

template <typename T>
void softmax(T* y, std::size_t rows, std::size_t columns) noexcept {
  for (std::size_t r = 0; r < rows; ++r) {
    softmax_row(reinterpret_cast<T*>(reinterpret_cast<char*>(y) + r * columns * sizeof(T)),
                columns);
  }
}

template <typename T>
constexpr Kernels<T> kScalarKernels = {
    .weighted_sum = weighted_sum<T>,
    .normalized_weighted_sum = normalized_weighted_sum<T>,
    .normalize = normalize<T>,
    .denormalize = denormalize<T>,
    .sigmoid = sigmoid<T>,
    .exponential = exponential<T>,
    .softmax = softmax<T>,
};

}  // namespace

constinit const Target kScalarTarget = {
    .name = "scalar",
    .float_kernels = kScalarKernels<float>,
    .double_kernels = kScalarKernels<double>,
};

}  // namespace thriftscore::kernels
