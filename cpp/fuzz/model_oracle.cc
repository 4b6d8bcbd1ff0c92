// SPDX-License-Identifier: Apache-2.0
#include "fuzz/model_oracle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "fuzz/require.h"
#include "model/error.h"
#include "model/model.h"

namespace thriftscore {
namespace {

constexpr std::size_t kRows = 37;
/// Larger models are for the tests; here they would only be slow.
constexpr std::size_t kCellsMax = std::size_t{1} << 20;

template <typename T>
T value_at(std::size_t index) {
  using Limits = std::numeric_limits<T>;
  static constexpr std::array<T, 16> kValues = {T{0},
                                                -T{0},
                                                T{1},
                                                T{-1},
                                                T{0.5},
                                                T{2},
                                                T{3},
                                                T{100},
                                                T{-7.25},
                                                T(1e-36),
                                                T{1e9},
                                                Limits::max(),
                                                Limits::lowest(),
                                                Limits::denorm_min(),
                                                Limits::infinity(),
                                                -Limits::infinity()};
  return kValues[index * 2'654'435'761U / 7 % kValues.size()];
}

/// Where the operands of a sum are NaN, which one gives its sign to the result is up to the
/// compiler.
template <typename T>
bool same_bits(T left, T right) {
  using Bits = std::conditional_t<sizeof(T) == sizeof(std::uint32_t), std::uint32_t, std::uint64_t>;
  if (std::isnan(left) && std::isnan(right)) return true;
  return std::bit_cast<Bits>(left) == std::bit_cast<Bits>(right);
}

template <typename T>
void check_rows(const Model& model, bool with_missing) {
  const std::size_t columns = model.columns();
  const std::size_t outputs = model.outputs();
  std::vector<T> x(kRows * columns);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = value_at<T>(i);
  if (with_missing) x[x.size() / 2] = std::numeric_limits<T>::quiet_NaN();
  std::vector<T> together(kRows * outputs);
  std::vector<T> alone(outputs);
  Workspace workspace;
  if (model.score(x.data(), kRows, together.data(), workspace)) return;
  for (std::size_t row = 0; row < kRows; ++row) {
    model.score(x.data() + row * columns, 1, alone.data(), workspace);
    const bool same =
        std::equal(alone.begin(), alone.end(), together.data() + row * outputs, same_bits<T>);
    require("a row's scores depend on the rows beside it", same);
  }
}

}  // namespace

bool check_model(std::span<const std::byte> file) {
  std::shared_ptr<const Model> model;
  try {
    model = Model::load_bytes(file);
  } catch (const ModelError&) {
    return false;
  }
  if (kRows * (model->columns() + model->outputs()) > kCellsMax) return true;
  for (const bool with_missing : {false, true}) {
    if (model->description().precision == Precision::kFp32) {
      check_rows<float>(*model, with_missing);
    } else {
      check_rows<double>(*model, with_missing);
    }
  }
  return true;
}

}  // namespace thriftscore
