// SPDX-License-Identifier: Apache-2.0
// The reference: the formulas as written, in the next wider type.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/code_rules.h"
#include "kernels/targets.h"
#include "kernels/unaligned.h"

namespace thriftscore::kernels {
namespace {

template <typename T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;

template <typename T>
void weighted_sum(const WeightedSum<T>& sum, const T* x, std::size_t rows, T* y) noexcept {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t o = 0; o < sum.outputs; ++o) {
      Wide<T> total = load_value(sum.bias, o);
      for (std::size_t c = 0; c < sum.columns; ++c) {
        total += Wide<T>{load_value(sum.weights, o * sum.columns + c)} *
                 load_value(x, r * sum.columns + c);
      }
      store_value(static_cast<T>(total), y, r * sum.outputs + o);
    }
  }
}

template <typename T>
void normalized_weighted_sum(const Normalizer<T>& normalizer, const WeightedSum<T>& sum, const T* x,
                             std::size_t rows, T* y) noexcept {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t o = 0; o < sum.outputs; ++o) {
      Wide<T> total = load_value(sum.bias, o);
      for (std::size_t c = 0; c < sum.columns; ++c) {
        const Wide<T> centred =
            Wide<T>{load_value(x, r * sum.columns + c)} - load_value(normalizer.mean, c);
        const Wide<T> weight = load_value(sum.weights, o * sum.columns + c);
        const T scale = normalizer.scale == nullptr ? T{1} : load_value(normalizer.scale, c);
        total += centred * (weight / scale);
      }
      store_value(static_cast<T>(total), y, r * sum.outputs + o);
    }
  }
}

template <typename T>
std::size_t packed_size(std::size_t /*columns*/, std::size_t /*outputs*/) noexcept {
  return 0;
}

template <typename T>
void pack(const WeightedSum<T>& /*sum*/, T* /*packed*/) noexcept {}

template <typename T>
void normalize(const Normalizer<T>& normalizer, const T* x, std::size_t rows, T* y) noexcept {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < normalizer.columns; ++c) {
      const std::size_t i = r * normalizer.columns + c;
      store_value(
          (load_value(x, i) - load_value(normalizer.mean, c)) / load_value(normalizer.scale, c), y,
          i);
    }
  }
}

template <typename T>
void denormalize(const Normalizer<T>& normalizer, const T* x, std::size_t rows, T* y) noexcept {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < normalizer.columns; ++c) {
      const std::size_t i = r * normalizer.columns + c;
      store_value(
          load_value(normalizer.mean, c) + load_value(normalizer.scale, c) * load_value(x, i), y,
          i);
    }
  }
}

// function(value) of each value, in the wider type.
template <typename T, class Function>
void transform(T* y, std::size_t count, Function function) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    store_value(static_cast<T>(function(Wide<T>{load_value(y, i)})), y, i);
  }
}

// exp(-|x|) cannot overflow, and dividing it keeps the digits of a result near zero.
template <typename T>
void sigmoid(T* y, std::size_t count) noexcept {
  transform(y, count, [](Wide<T> x) {
    const Wide<T> power = std::exp(-std::abs(x));
    return (x < 0 ? power : Wide<T>{1}) / (1 + power);
  });
}

template <typename T>
void exponential(T* y, std::size_t count) noexcept {
  transform(y, count, [](Wide<T> x) { return std::exp(x); });
}

template <typename T>
void relu(T* y, std::size_t count) noexcept {
  transform(y, count, [](Wide<T> x) { return x < 0 ? 0 : x; });
}

template <typename T>
void leaky_relu(T alpha, T* y, std::size_t count) noexcept {
  transform(y, count, [alpha](Wide<T> x) { return x < 0 ? alpha * x : x; });
}

template <typename T>
void exponential_unit(T positive, T negative, T* y, std::size_t count) noexcept {
  transform(y, count, [positive, negative](Wide<T> x) {
    return x > 0 ? positive * x : negative * std::expm1(x);
  });
}

template <typename T>
void tanh(T* y, std::size_t count) noexcept {
  transform(y, count, [](Wide<T> x) { return std::tanh(x); });
}

template <typename T>
void softplus(T* y, std::size_t count) noexcept {
  transform(y, count,
            [](Wide<T> x) { return (x < 0 ? 0 : x) + std::log1p(std::exp(-std::abs(x))); });
}

template <typename T>
void complementary_log_log(T* y, std::size_t count) noexcept {
  transform(y, count, [](Wide<T> x) { return -std::expm1(-std::exp(x)); });
}

template <typename T>
void softmax_row(T* y, std::size_t columns) noexcept {
  Wide<T> maximum = -std::numeric_limits<T>::infinity();
  for (std::size_t c = 0; c < columns; ++c) maximum = std::max<Wide<T>>(maximum, load_value(y, c));
  Wide<T> total = 0;
  for (std::size_t c = 0; c < columns; ++c) total += std::exp(load_value(y, c) - maximum);
  for (std::size_t c = 0; c < columns; ++c) {
    store_value(static_cast<T>(std::exp(load_value(y, c) - maximum) / total), y, c);
  }
}

template <typename T>
void softmax(T* y, std::size_t rows, std::size_t columns) noexcept {
  for (std::size_t r = 0; r < rows; ++r) softmax_row(y + r * columns, columns);
}

template <typename T>
std::size_t count_below(const ThresholdTree<T>& tree, T value) noexcept {
  std::size_t below = 0;
  for (std::size_t level = 0; level < tree.depth; ++level) {
    const T* keys = tree.levels[level] + below * kSearchWidth;
    below *= kSearchWidth;
    for (std::size_t i = 0; i < kSearchWidth; ++i) below += keys[i] < value ? 1 : 0;
  }
  return below;
}

template <typename T, typename Code>
void encode(const CodeColumns<T>& columns, const FeatureRows<T>& features,
            const CodeMatrix<Code>& codes) noexcept {
  for (std::size_t c = 0; c < columns.count; ++c) {
    const CodeColumn<T>& column = columns.columns[c];
    for (std::size_t row = 0; row < features.rows; ++row) {
      const T value = load_value(features.x, row * features.stride + column.feature);
      codes.data[row * codes.row_stride + c * codes.column_stride] = static_cast<Code>(
          code_of(column, value, kHighestCode<Code>, count_below<T>) - kCodeBias<Code>);
    }
  }
}

std::uint8_t exit_leaf(const MaskedTrees& trees, std::size_t tree, const std::int8_t* codes,
                       std::size_t stride) noexcept {
  const std::uint32_t* const ends = trees.mask_ends + trees.tree_bytes[tree];
  const std::size_t bytes = trees.tree_bytes[tree + 1] - trees.tree_bytes[tree];
  const LeafMask* mask = trees.masks + ends[-1];
  for (std::size_t byte = 0; byte < bytes; ++byte) {
    std::uint8_t struck = 0;
    for (; mask != trees.masks + ends[byte]; ++mask) {
      const auto threshold = static_cast<std::int8_t>(mask->threshold & 0xFF);
      if (codes[mask->column * stride] > threshold) {
        struck = static_cast<std::uint8_t>(struck | (mask->bits & 0xFF));
      }
    }
    if (struck != 0xFF)
      return static_cast<std::uint8_t>(8 * byte + static_cast<unsigned>(std::countr_one(struck)));
  }
  return 0xFF;
}

void exit_leaves(const MaskedTrees& trees, const std::int8_t* codes, std::size_t rows,
                 std::uint8_t* leaves) noexcept {
  for (std::size_t tree = 0; tree < trees.trees; ++tree) {
    for (std::size_t row = 0; row < rows; ++row) {
      leaves[tree * rows + row] = exit_leaf(trees, tree, codes + row, rows);
    }
  }
}

template <typename T>
constexpr Kernels<T> kScalarKernels = {
    .weighted_sum = weighted_sum<T>,
    .normalized_weighted_sum = normalized_weighted_sum<T>,
    .packed_size = packed_size<T>,
    .pack = pack<T>,
    .normalize = normalize<T>,
    .denormalize = denormalize<T>,
    .sigmoid = sigmoid<T>,
    .exponential = exponential<T>,
    .relu = relu<T>,
    .leaky_relu = leaky_relu<T>,
    .exponential_unit = exponential_unit<T>,
    .tanh = tanh<T>,
    .softplus = softplus<T>,
    .complementary_log_log = complementary_log_log<T>,
    .softmax = softmax<T>,
    .encode8 = encode<T, std::int8_t>,
    .encode16 = encode<T, std::uint16_t>,
    .encode32 = encode<T, std::uint32_t>,
    .exit_leaves = exit_leaves,
};

}  // namespace

constinit const Target kScalarTarget = {
    .name = "scalar",
    .instruction_set = 0,
    .float_kernels = kScalarKernels<float>,
    .double_kernels = kScalarKernels<double>,
};

}  // namespace thriftscore::kernels
