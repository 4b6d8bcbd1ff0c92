// SPDX-License-Identifier: Apache-2.0
// Parsers of the stages that mix columns, and of links.
#include <algorithm>
#include <utility>

#include "model/error.h"
#include "model/operators.h"

namespace thriftscore {

namespace {

// The function under `key`, one of `allowed`.
Function parse_function(const StageContext& stage, const char* key,
                        const std::vector<Function>& allowed) {
  std::vector<std::string> names(allowed.size());
  std::transform(allowed.begin(), allowed.end(), names.begin(),
                 [](Function function) { return name_of(function); });
  return allowed[stage.choice(key, names)];
}

void parse_activation(const StageContext& stage, DenseSpec& dense) {
  if (stage.has("activation")) {
    dense.activation =
        parse_function(stage, "activation",
                       {Function::kIdentity, Function::kRelu, Function::kLeakyRelu, Function::kElu,
                        Function::kSelu, Function::kSigmoid, Function::kTanh, Function::kSoftplus});
  }
  const bool is_elu = dense.activation == Function::kElu;
  if (is_elu || dense.activation == Function::kLeakyRelu) dense.alpha = is_elu ? 1.0 : 0.01;
  if (!stage.has("alpha")) return;
  if (dense.alpha == 0) {
    refuse(stage.where, ": alpha is for leaky_relu and elu, not for ", name_of(dense.activation));
  }
  dense.alpha = stage.json.number("alpha");
  check_finite({dense.alpha}, stage.file.precision(), stage.where + ": alpha");
}

}  // namespace

StageSpec parse_dense(const StageContext& stage) {
  stage.json.allow_only({"op", "weights", "bias", "activation", "alpha"});
  const Tensor& weights = stage.take("weights", {Datatype::kF32, Datatype::kF64});
  if (weights.shape.size() != 2 || weights.shape[1] != stage.columns) {
    refuse(stage.where, ": weights is ", shape_text(weights.shape), ", expected [*, ",
           stage.columns, "]: a row has ", stage.columns, " columns here");
  }
  const std::uint64_t outputs = weights.shape[0];
  stage.check_outputs(outputs);
  DenseSpec dense;
  dense.weights = values_of(weights);
  dense.bias = stage.numbers("bias", {outputs});
  check_finite(dense.weights, stage.file.precision(), stage.where + ": weights");
  parse_activation(stage, dense);
  return {std::move(dense), stage.columns, outputs};
}

StageSpec parse_sparse_linear(const StageContext& stage) {
  stage.json.allow_only({"op", "indptr", "indices", "weights", "bias"});
  const auto last = static_cast<std::int64_t>(stage.columns) - 1;
  const std::vector<std::int64_t> indices = stage.integers("indices", 0, last);
  SparseLinearSpec sparse;
  sparse.offsets = stage.offsets("indptr", indices.size());
  if (sparse.offsets.size() < 2) refuse(stage.where, ": indptr is [1], expected at least [2]");
  const std::size_t outputs = sparse.offsets.size() - 1;
  stage.check_outputs(outputs);
  for (std::size_t o = 0; o < outputs; ++o) {
    for (std::size_t i = sparse.offsets[o] + 1; i < sparse.offsets[o + 1]; ++i) {
      if (indices[i] > indices[i - 1]) continue;
      refuse(stage.where, ": indices: element ", i, " is ", indices[i],
             ", expected more than the one before it");
    }
  }
  sparse.indices.assign(indices.begin(), indices.end());
  sparse.weights = stage.numbers("weights", {indices.size()});
  sparse.bias = stage.numbers("bias", {outputs});
  return {std::move(sparse), stage.columns, outputs};
}

StageSpec parse_link(const StageContext& stage) {
  stage.json.allow_only({"op", "function"});
  const Function function = parse_function(
      stage, "function",
      {Function::kIdentity, Function::kSigmoid, Function::kSoftmax, Function::kExponential,
       Function::kProbit, Function::kTanh, Function::kSoftplus, Function::kSquareSigned,
       Function::kCloglog, Function::kReciprocal, Function::kRelu});
  if (function == Function::kSoftmax && stage.columns < 2) {
    refuse(stage.where, ": softmax of ", stage.columns, " column, expected at least 2");
  }
  return {LinkSpec{function}, stage.columns, stage.columns};
}

}  // namespace thriftscore
