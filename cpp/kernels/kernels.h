// SPDX-License-Identifier: Apache-2.0
// The arithmetic of scoring over raw row-major arrays, once per SIMD target, chosen at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/forest.h"

namespace thriftscore::kernels {

// Rows of `columns` features to rows of `outputs` weighted sums.
template <typename T>
struct WeightedSum {
  const T* weights = nullptr;  // [outputs, columns], row-major
  const T* bias = nullptr;     // [outputs]
  std::size_t columns = 0;
  std::size_t outputs = 0;
  // What Kernels::pack made of the weights, aligned to 64 bytes, and which pack it was. Without it,
  // or if another target's made it, a call packs for itself where its target needs that.
  const T* packed = nullptr;
  void (*packed_by)(const WeightedSum& sum, T* packed) noexcept = nullptr;
};

// x' = (x - mean) / scale, column by column.
template <typename T>
struct Normalizer {
  const T* mean;   // [columns]
  const T* scale;  // [columns], non-zero; may be null where a kernel says so
  std::size_t columns;
};

// One implementation of every kernel. T is float or double.
//
// Every pointer may have any byte address: buffers straight off the wire need no copy. Nothing
// outside the given arrays is read or written, nothing is allocated, nothing is thrown, and any
// number of threads may call at once on disjoint outputs. An output may not overlap an input
// unless said. Zero rows or counts do nothing. NaN and infinities follow IEEE 754.
//
// Accuracy, against the exact result rounded to T:
//   sums         the error bound of a blocked dot product; order and fusing differ by target, so
//                results differ between targets in the last bits. On one target the bits of a
//                row's sums do not depend on how many rows a call has, nor on packing
//   normalize    each operation rounded once: bit-equal on every target and to NumPy
//   exponential  2 ulp, denormal results included; sigmoid and tanh 2 ulp (double 3); softplus 2
//                ulp (double 3); softmax 2 ulp (double 4) up to 1,024 columns;
//                exponential_unit and complementary_log_log 3 ulp
template <typename T>
struct Kernels {
  // y[r, o] = bias[o] + sum over c of weights[o, c] * x[r, c]. x [rows, columns], y [rows,
  // outputs].
  void (*weighted_sum)(const WeightedSum<T>& sum, const T* x, std::size_t rows, T* y) noexcept;

  // The same on (x - mean) / scale, without writing the normalised rows: the mean is subtracted
  // first, which keeps what x and mean do not have in common; the scale divides the weights, so
  // weights / scale must be finite. A null scale says that the weights, packed or not, have been
  // divided; only then is `packed` used. Both structs have the same columns.
  void (*normalized_weighted_sum)(const Normalizer<T>& normalizer, const WeightedSum<T>& sum,
                                  const T* x, std::size_t rows, T* y) noexcept;

  // How many values pack() writes for such a sum; 0 where the weights are used as they are.
  std::size_t (*packed_size)(std::size_t columns, std::size_t outputs) noexcept;
  // Arranges the weights as this target reads them. `packed` is aligned to 64 bytes.
  void (*pack)(const WeightedSum<T>& sum, T* packed) noexcept;
  // y = (x - mean) / scale. x and y [rows, columns]; y may be x.
  void (*normalize)(const Normalizer<T>& normalizer, const T* x, std::size_t rows, T* y) noexcept;

  // y = mean + scale * x. x and y [rows, columns]; y may be x.
  void (*denormalize)(const Normalizer<T>& normalizer, const T* x, std::size_t rows, T* y) noexcept;

  // y = 1 / (1 + exp(-y)), in place over `count` values.
  void (*sigmoid)(T* y, std::size_t count) noexcept;

  // y = exp(y), in place over `count` values. Overflow gives infinity.
  void (*exponential)(T* y, std::size_t count) noexcept;

  // y = max(y, 0), and y < 0 ? alpha * y : y, in place over `count` values.
  void (*relu)(T* y, std::size_t count) noexcept;
  void (*leaky_relu)(T alpha, T* y, std::size_t count) noexcept;

  // y > 0 ? positive * y : negative * (exp(y) - 1), in place over `count` values: ELU with
  // positive = 1 and negative = alpha, and SELU.
  void (*exponential_unit)(T positive, T negative, T* y, std::size_t count) noexcept;

  // y = tanh(y); y = log(1 + exp(y)); y = 1 - exp(-exp(y)), in place over `count` values.
  void (*tanh)(T* y, std::size_t count) noexcept;
  void (*softplus)(T* y, std::size_t count) noexcept;
  void (*complementary_log_log)(T* y, std::size_t count) noexcept;

  // Each row y = exp(y - max(y)) / sum of the same, in place. A row with NaN or +infinity, or
  // with nothing but -infinity, becomes all NaN. -infinity beside a finite value gives 0.
  void (*softmax)(T* y, std::size_t rows, std::size_t columns) noexcept;

  // The code of every feature value under the rule of every column. 8-bit codes are biased by
  // -128. Exact: the same on every target.
  void (*encode8)(const CodeColumns<T>& columns, const FeatureRows<T>& features,
                  const CodeMatrix<std::int8_t>& codes) noexcept;
  void (*encode16)(const CodeColumns<T>& columns, const FeatureRows<T>& features,
                   const CodeMatrix<std::uint16_t>& codes) noexcept;
  void (*encode32)(const CodeColumns<T>& columns, const FeatureRows<T>& features,
                   const CodeMatrix<std::uint32_t>& codes) noexcept;

  // leaves[t * rows + r] = the leaf of tree t that row r reaches, counted from the left. codes
  // [columns, rows] and leaves [trees, rows] are aligned to 64 bytes; rows is a multiple of
  // kMaskedRows. The same on every target.
  void (*exit_leaves)(const MaskedTrees& trees, const std::int8_t* codes, std::size_t rows,
                      std::uint8_t* leaves) noexcept;
};

// The kernels in use, float or double. The first call chooses: THRIFTSCORE_SIMD if it names an
// available target, otherwise the best this CPU has. Cheap afterwards; safe from any thread.
template <typename T>
[[nodiscard]] const Kernels<T>& active() noexcept;

// Name of the target in use: "scalar", "sse4", "avx2", "avx3", "neon" ...
[[nodiscard]] std::string_view active_target() noexcept;

// Targets compiled in that this CPU can run: "scalar" first, the best last.
[[nodiscard]] std::vector<std::string_view> available_targets();

// Uses `name` from now on; false, and no change, when it is not available. For start-up and
// tests: not while another thread scores.
[[nodiscard]] bool select_target(std::string_view name) noexcept;

// Why `name` cannot be selected, naming the targets that can; empty when it can.
[[nodiscard]] std::string target_error(std::string_view name);

// The same for the value of THRIFTSCORE_SIMD; empty when it is unset, empty or available.
// active() ignores a bad value, so a program that wants to refuse it asks here first.
[[nodiscard]] std::string target_error();

}  // namespace thriftscore::kernels
