// SPDX-License-Identifier: Apache-2.0
// Parsers of the stages that mix columns, and of links.
#include <map>
#include <string_view>
#include <utility>

#include "model/error.h"
#include "model/operators.h"

namespace thriftscore {

StageSpec parse_dense(const StageContext& stage) {
  stage.json.allow_only({"op", "weights", "bias", "activation"});
  if (stage.has("activation")) stage.choice("activation", {"identity"});
  const Tensor& weights = stage.take("weights", {Datatype::kF32, Datatype::kF64});
  if (weights.shape.size() != 2 || weights.shape[1] != stage.columns) {
    refuse(stage.where, ": weights is ", shape_text(weights.shape), ", expected [*, ",
           stage.columns, "]: a row has ", stage.columns, " columns here");
  }
  const std::uint64_t outputs = weights.shape[0];
  stage.check_outputs(outputs);
  DenseSpec dense{values_of(weights), stage.numbers("bias", {outputs}), {}, {}};
  check_finite(dense.weights, stage.file.precision(), stage.where + ": weights");
  return {std::move(dense), stage.columns, outputs};
}

StageSpec parse_link(const StageContext& stage) {
  static const std::map<std::string_view, LinkFunction> kFunctions = {
      {"identity", LinkFunction::kIdentity},
      {"sigmoid", LinkFunction::kSigmoid},
      {"softmax", LinkFunction::kSoftmax},
      {"exp", LinkFunction::kExponential}};
  stage.json.allow_only({"op", "function"});
  const auto found = kFunctions.find(stage.json.text("function"));
  if (found == kFunctions.end()) {
    refuse(stage.where, ": function is ", shown(stage.json.text("function")),
           ", expected identity, sigmoid, softmax or exp");
  }
  if (found->second == LinkFunction::kSoftmax && stage.columns < 2) {
    refuse(stage.where, ": softmax of ", stage.columns, " column, expected at least 2");
  }
  return {LinkSpec{found->second}, stage.columns, stage.columns};
}

const char* name_of(LinkFunction function) noexcept {
  switch (function) {
    case LinkFunction::kIdentity:
      return "identity";
    case LinkFunction::kSigmoid:
      return "sigmoid";
    case LinkFunction::kSoftmax:
      return "softmax";
    case LinkFunction::kExponential:
      return "exp";
  }
  return "";
}

}  // namespace thriftscore
