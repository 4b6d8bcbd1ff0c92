// SPDX-License-Identifier: Apache-2.0
#include "tests/model/model_files.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <memory>
#include <random>
#include <stdexcept>

#include "model/model.h"

namespace thriftscore::testing {
namespace {

template <typename T>
void append(Bytes& bytes, T value) {
  for (const std::byte byte : std::bit_cast<std::array<std::byte, sizeof(T)>>(value)) {
    bytes.push_back(byte);
  }
}

void append_as(Bytes& bytes, double value, const std::string& dtype) {
  if (dtype == "F32") append(bytes, static_cast<float>(value));
  if (dtype == "F64") append(bytes, value);
  if (dtype == "I32") append(bytes, static_cast<std::int32_t>(value));
  if (dtype == "I64") append(bytes, static_cast<std::int64_t>(value));
  if (dtype == "U8") append(bytes, static_cast<std::uint8_t>(value));
  if (dtype == "U32") append(bytes, static_cast<std::uint32_t>(value));
}

Bytes bytes_of(const NamedTensor& tensor) {
  Bytes bytes;
  for (const double value : tensor.values) append_as(bytes, value, tensor.dtype);
  return bytes;
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

long double linked(const std::string& function, long double x, const Json& stage) {
  const auto alpha = [&stage](double otherwise) { return stage.value("alpha", otherwise); };
  if (function == "identity") return x;
  if (function == "relu") return x < 0 ? 0 : x;
  if (function == "leaky_relu") return x < 0 ? alpha(0.01) * x : x;
  if (function == "elu") return x < 0 ? alpha(1) * std::expm1(x) : x;
  if (function == "selu") {
    return 1.0507009873554805L * (x < 0 ? 1.6732632423543772L * std::expm1(x) : x);
  }
  if (function == "sigmoid") return 1 / (1 + std::exp(-x));
  if (function == "tanh") return std::tanh(x);
  if (function == "softplus") return x > 50 ? x : std::log1p(std::exp(x));
  if (function == "exp") return std::exp(x);
  if (function == "probit") return std::erfc(-x / std::sqrt(2.0L)) / 2;
  if (function == "square_signed") return x < 0 ? -x * x : x * x;
  if (function == "cloglog") return -std::expm1(-std::exp(x));
  if (function == "reciprocal") return 1 / x;
  throw std::out_of_range(function);
}

Row softmax(Row row) {
  const long double most = *std::max_element(row.begin(), row.end());
  long double total = 0;
  for (long double& value : row) total += value = std::exp(value - most);
  for (long double& value : row) value /= total;
  return row;
}

Row linked(const Json& stage, const char* key, Row row) {
  const std::string function = stage.value(key, "identity");
  if (function == "softmax") return softmax(std::move(row));
  for (long double& value : row) value = linked(function, value, stage);
  return row;
}

Row imputed(const ModelFile& file, const Json& stage, Row row) {
  const std::vector<double>& values = values_of(file, stage, "values");
  for (std::size_t c = 0; c < row.size(); ++c) {
    const bool missing =
        stage.contains("missing") ? row[c] == stage["missing"].get<double>() : std::isnan(row[c]);
    if (missing) row[c] = values[c];
  }
  return row;
}

Row clipped(const ModelFile& file, const Json& stage, Row row) {
  for (std::size_t c = 0; c < row.size(); ++c) {
    if (row[c] < values_of(file, stage, "low")[c]) row[c] = values_of(file, stage, "low")[c];
    if (row[c] > values_of(file, stage, "high")[c]) row[c] = values_of(file, stage, "high")[c];
  }
  return row;
}

Row divided_by_norm(const Json& stage, Row row) {
  long double sum = 0;
  long double squares = 0;
  long double most = 0;
  for (const long double value : row) {
    sum += std::abs(value);
    squares += value * value;
    most = std::max(most, std::abs(value));
  }
  const std::string norm = stage.at("norm");
  const long double length = norm == "l1" ? sum : norm == "l2" ? std::sqrt(squares) : most;
  for (long double& value : row) value /= length == 0 ? 1 : length;
  return row;
}

Row one_hot(const ModelFile& file, const Json& stage, const Row& row) {
  const std::vector<double>& offsets = values_of(file, stage, "offsets");
  Row result;
  for (std::size_t c = 0; c < row.size(); ++c) {
    Row own;
    const auto end = static_cast<std::size_t>(offsets[c + 1]);
    for (auto j = static_cast<std::size_t>(offsets[c]); j < end; ++j) {
      const double category = values_of(file, stage, "categories")[j];
      own.push_back(std::isnan(category) ? std::isnan(row[c]) : row[c] == category);
    }
    const bool unknown = std::count(own.begin(), own.end(), 1.0L) == 0;
    if (unknown && stage.at("unknown") == "nan") std::fill(own.begin(), own.end(), std::nanl(""));
    result.insert(result.end(), own.begin(), own.end());
  }
  return result;
}

Row sparse_linear(const ModelFile& file, const Json& stage, const Row& row) {
  const std::vector<double>& indptr = values_of(file, stage, "indptr");
  const std::vector<double>& bias = values_of(file, stage, "bias");
  Row result(bias.begin(), bias.end());
  for (std::size_t o = 0; o < result.size(); ++o) {
    const auto end = static_cast<std::size_t>(indptr[o + 1]);
    for (auto i = static_cast<std::size_t>(indptr[o]); i < end; ++i) {
      const auto column = static_cast<std::size_t>(values_of(file, stage, "indices")[i]);
      result[o] += values_of(file, stage, "weights")[i] * row[column];
    }
  }
  return result;
}

Row selected(const ModelFile& file, const Json& stage, const Row& row) {
  Row result;
  for (const double column : values_of(file, stage, "columns")) {
    result.push_back(row[static_cast<std::size_t>(column)]);
  }
  return result;
}

Row run_chain(const ModelFile& file, const Json& stages, Row row);

Row concatenated(const ModelFile& file, const Json& stage, const Row& row) {
  Row result;
  for (const Json& branch : stage.at("branches")) {
    const Row own = run_chain(file, branch, row);
    result.insert(result.end(), own.begin(), own.end());
  }
  return result;
}

Row summed(const ModelFile& file, const Json& stage, const Row& row) {
  Row result;
  for (std::size_t i = 0; i < stage.at("branches").size(); ++i) {
    const Row own = run_chain(file, stage["branches"][i], row);
    result.resize(own.size());
    for (std::size_t o = 0; o < own.size(); ++o) {
      result[o] += values_of(file, stage, "weights")[i] * own[o];
    }
  }
  if (!stage.contains("bias")) return result;
  for (std::size_t o = 0; o < result.size(); ++o) result[o] += values_of(file, stage, "bias")[o];
  return result;
}

Row run_stage(const ModelFile& file, const Json& stage, Row row) {
  const auto op = stage.at("op").get<std::string>();
  if (op == "scale") return scaled(file, stage, std::move(row));
  if (op == "dense" || op == "linear") return linked(stage, "activation", dense(file, stage, row));
  if (op == "link") return linked(stage, "function", std::move(row));
  if (op == "select") return selected(file, stage, row);
  if (op == "impute") return imputed(file, stage, std::move(row));
  if (op == "clip") return clipped(file, stage, std::move(row));
  if (op == "row_norm") return divided_by_norm(stage, std::move(row));
  if (op == "one_hot") return one_hot(file, stage, row);
  if (op == "sparse_linear") return sparse_linear(file, stage, row);
  if (op == "concat") return concatenated(file, stage, row);
  if (op == "sum") return summed(file, stage, row);
  if (op != "binarize") throw std::out_of_range(op);
  for (std::size_t c = 0; c < row.size(); ++c) {
    row[c] = row[c] > values_of(file, stage, "thresholds")[c] ? 1 : 0;
  }
  return row;
}

Row run_chain(const ModelFile& file, const Json& stages, Row row) {
  for (const Json& stage : stages) row = run_stage(file, stage, std::move(row));
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
    end += bytes_of(tensor).size();
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
  }
  return header;
}

Bytes ModelFile::data() const {
  Bytes bytes;
  for (const NamedTensor& tensor : tensors) {
    const Bytes own = bytes_of(tensor);
    bytes.insert(bytes.end(), own.begin(), own.end());
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

// A heap copy of exactly the file, so that a sanitizer sees a read beyond it.
std::string refusal(const Bytes& file) {
  const auto exact = std::make_unique<std::byte[]>(file.size());
  std::copy(file.begin(), file.end(), exact.get());
  try {
    Model::load_bytes({exact.get(), file.size()});
  } catch (const ModelError& error) {
    return error.what();
  }
  return "";
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
  file.tensors = {{"w", {1, 3}, {1, 2, 3}, "F32"}, {"b", {1}, {0.5}, "F32"}};
  return file;
}

ModelFile staged(std::size_t columns, Json stages, std::vector<NamedTensor> tensors) {
  ModelFile file = example(columns, 1, "identity", "fp64");
  file.graph.erase("normalizer");
  file.graph["missing_values"] = "propagate";
  file.graph["stages"] = std::move(stages);
  file.tensors = std::move(tensors);
  return file;
}

std::vector<long double> reference(const ModelFile& file, const std::vector<double>& row) {
  return run_chain(file, file.graph.at("stages"), {row.begin(), row.end()});
}

}  // namespace thriftscore::testing
