// SPDX-License-Identifier: Apache-2.0
#include "tests/model/model_files.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <random>
#include <stdexcept>

namespace thriftscore::testing {
namespace {

template <typename T>
void append(Bytes& bytes, T value) {
  for (const std::byte byte : std::bit_cast<std::array<std::byte, sizeof(T)>>(value)) {
    bytes.push_back(byte);
  }
}

std::size_t size_of(const NamedTensor& tensor) {
  return tensor.values.size() * (tensor.is_double ? sizeof(double) : sizeof(float));
}

using Row = std::vector<long double>;

const std::vector<double>& values_of(const ModelFile& file, const Json& stage, const char* role) {
  const auto name = stage.at(role).get<std::string>();
  for (const NamedTensor& tensor : file.tensors) {
    if (tensor.name == name) return tensor.values;
  }
  throw std::out_of_range(name);
}

Row scaled(const ModelFile& file, const Json& stage, Row row) {
  for (std::size_t c = 0; c < row.size(); ++c) {
    row[c] = (row[c] - values_of(file, stage, "mean")[c]) / values_of(file, stage, "scale")[c];
  }
  return row;
}

Row dense(const ModelFile& file, const Json& stage, const Row& row) {
  const std::vector<double>& weights = values_of(file, stage, "weights");
  const std::vector<double>& bias = values_of(file, stage, "bias");
  Row result(bias.begin(), bias.end());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    result[i / row.size()] += weights[i] * row[i % row.size()];
  }
  return result;
}

Row linked(const std::string& function, Row row) {
  if (function == "identity") return row;
  const long double most = *std::max_element(row.begin(), row.end());
  const bool softmax = function == "softmax";
  long double total = 0;
  for (long double& value : row) {
    value = function == "sigmoid" ? 1 / (1 + std::exp(-value)) : std::exp(value - softmax * most);
    total += value;
  }
  for (long double& value : row) value /= softmax ? total : 1;
  return row;
}

Json names(char initial, std::size_t count) {
  Json list = Json::array();
  for (std::size_t i = 0; i < count; ++i) {
    list.push_back(std::string(1, initial).append(std::to_string(i)));
  }
  return list;
}

}  // namespace

NamedTensor& ModelFile::tensor(std::string_view name) {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [name](const NamedTensor& t) { return t.name == name; });
  if (found == tensors.end()) throw std::out_of_range(std::string(name));
  return *found;
}

Json ModelFile::header() const {
  Json header;
  header["__metadata__"]["thriftscore"] = graph.dump();
  std::size_t end = 0;
  for (const NamedTensor& tensor : tensors) {
    const std::size_t begin = end;
    end += size_of(tensor);
    header[tensor.name] = {{"dtype", tensor.is_double ? "F64" : "F32"},
                           {"shape", tensor.shape},
                           {"data_offsets", {begin, end}}};
  }
  return header;
}

Bytes ModelFile::data() const {
  Bytes bytes;
  for (const NamedTensor& tensor : tensors) {
    for (const double value : tensor.values) {
      tensor.is_double ? append(bytes, value) : append(bytes, static_cast<float>(value));
    }
  }
  return bytes;
}

Bytes ModelFile::build() const { return join(header().dump(), data()); }

Bytes join(std::string_view header, const Bytes& data) {
  Bytes file;
  append(file, std::uint64_t{header.size()});
  for (const char character : header) file.push_back(static_cast<std::byte>(character));
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

std::vector<double> numbers(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::vector<double> values(count);
  for (double& value : values) value = std::ldexp(static_cast<double>(generator() >> 12), -51) - 1;
  return values;
}

ModelFile example(std::size_t columns, std::size_t outputs, const std::string& link,
                  const std::string& precision) {
  ModelFile file;
  const bool regression = link == "identity" || link == "exp";
  file.graph = {{"format_version", 1},
                {"precision", precision},
                {"task", regression     ? "regression"
                         : outputs == 1 ? "binary_classification"
                                        : "multiclass_classification"},
                {"features", names('x', columns)},
                {"classes", names('c', regression ? 0 : std::max<std::size_t>(outputs, 2))},
                {"missing_values", "refuse"},
                {"normalizer", 0},
                {"stages",
                 {{{"op", "scale"}, {"mean", "mean"}, {"scale", "scale"}},
                  {{"op", "dense"}, {"weights", "weights"}, {"bias", "bias"}},
                  {{"op", "link"}, {"function", link}}}}};
  std::vector<double> scale = numbers(columns, 2);
  for (double& value : scale) value = 1.5 + value;
  file.tensors = {{"mean", {columns}, numbers(columns, 1)},
                  {"scale", {columns}, scale},
                  {"weights", {outputs, columns}, numbers(outputs * columns, 3)},
                  {"bias", {outputs}, numbers(outputs, 4)}};
  return file;
}

ModelFile tiny() {
  ModelFile file = example(3, 1, "identity", "fp32");
  file.graph.erase("normalizer");
  file.graph["stages"] = {{{"op", "dense"}, {"weights", "w"}, {"bias", "b"}}};
  file.tensors = {{"w", {1, 3}, {1, 2, 3}, false}, {"b", {1}, {0.5}, false}};
  return file;
}

std::vector<long double> reference(const ModelFile& file, const std::vector<double>& row) {
  Row values(row.begin(), row.end());
  for (const Json& stage : file.graph.at("stages")) {
    const auto op = stage.at("op").get<std::string>();
    if (op == "scale") values = scaled(file, stage, std::move(values));
    if (op == "dense" || op == "linear") values = dense(file, stage, values);
    if (op == "link") values = linked(stage.at("function"), std::move(values));
  }
  return values;
}

}  // namespace thriftscore::testing
