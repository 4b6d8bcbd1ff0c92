// SPDX-License-Identifier: Apache-2.0
// Builds model files for tests: good ones, and bad ones with every structure under control.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace thriftscore::testing {

using Json = nlohmann::ordered_json;
using Bytes = std::vector<std::byte>;

struct NamedTensor {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::vector<double> values;
  std::string dtype = "F64";  // F32, F64, I32, I64, U8 or U32
};

/// A model as its parts, each of which a test may spoil before build().
struct ModelFile {
  Json graph;
  std::vector<NamedTensor> tensors;

  NamedTensor& tensor(std::string_view name);
  /// The header that describes `tensors`, in their order.
  Json header() const;
  /// The bytes of `tensors`, in their order.
  Bytes data() const;
  Bytes build() const;
};

/// Length, header and data put together, whatever they are.
Bytes join(std::string_view header, const Bytes& data);

/// scale, dense, link over `columns` features with fixed pseudo-random weights: a regression for
/// identity and exp, otherwise a classifier with `outputs` scores.
ModelFile example(std::size_t columns, std::size_t outputs, const std::string& link,
                  const std::string& precision);

/// The smallest file: 3 features, one score, no normaliser.
ModelFile tiny();

/// A regression over `columns` features of these stages and tensors, which propagates NaN.
ModelFile staged(std::size_t columns, Json stages, std::vector<NamedTensor> tensors);

/// What the stages of `file` give for one row, in long double and without folding.
std::vector<long double> reference(const ModelFile& file, const std::vector<double>& row);

/// Why the engine refuses `file`; empty if it loads.
std::string refusal(const Bytes& file);

/// Reproducible numbers in [-1, 1).
std::vector<double> numbers(std::size_t count, std::uint64_t seed);

}  // namespace thriftscore::testing
