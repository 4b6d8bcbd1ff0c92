// SPDX-License-Identifier: Apache-2.0
#include "model/graph.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "model/error.h"
#include "model/strict_json.h"

namespace thriftscore {
namespace {

// The tensors of a file, each to be taken by one stage.
class TensorTable {
 public:
  explicit TensorTable(const std::vector<Tensor>& tensors) {
    for (const Tensor& tensor : tensors) tensors_.emplace(tensor.name, &tensor);
  }

  const Tensor& take(const JsonObject& stage, const char* role, const std::string& where) {
    const std::string& name = stage.text(role);
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) {
      refuse(where, ": ", role, ": there is no tensor ", shown(name));
    }
    if (found->second == nullptr) {
      refuse(where, ": ", role, ": tensor ", shown(name), " is used already");
    }
    return *std::exchange(found->second, nullptr);
  }

  void check_all_taken() const {
    for (const auto& [name, tensor] : tensors_) {
      if (tensor != nullptr) refuse("tensor ", shown(name), ": no stage uses it");
    }
  }

 private:
  std::map<std::string_view, const Tensor*> tensors_;  // null once taken
};

// What the checks of one stage need to know of the model around it.
struct StageContext {
  std::string where;  // "stage 1 (dense)"
  std::size_t columns;
  Precision precision;
  TensorTable& tensors;
};

double largest(Precision precision) {
  return precision == Precision::kFp32 ? double{std::numeric_limits<float>::max()}
                                       : std::numeric_limits<double>::max();
}

const char* name_of(Precision precision) { return precision == Precision::kFp32 ? "fp32" : "fp64"; }

void check_shape(const Tensor& tensor, const StageContext& stage, const char* role,
                 const std::vector<std::uint64_t>& expected) {
  if (tensor.shape != expected) {
    refuse(stage.where, ": ", role, " is ", shape_text(tensor.shape), ", expected ",
           shape_text(expected), ": a row has ", stage.columns, " columns here");
  }
}

// NaN fails the comparison as well.
void check_finite(const Tensor& tensor, const StageContext& stage, const char* role) {
  const double limit = largest(stage.precision);
  for (std::size_t index = 0; index < tensor.size(); ++index) {
    if (!(std::abs(tensor[index]) <= limit)) {
      refuse(stage.where, ": ", role, ": element ", index, " is ", tensor[index],
             ", expected a finite ", name_of(stage.precision), " number");
    }
  }
}

void check_divisor(const Tensor& scale, const StageContext& stage, Precision precision) {
  for (std::size_t index = 0; index < scale.size(); ++index) {
    const double value = scale[index];
    const double rounded =
        precision == Precision::kFp32 ? double{static_cast<float>(value)} : value;
    if (rounded == 0.0 || !std::isfinite(rounded)) {
      refuse(stage.where, ": scale: element ", index, " is ", value,
             ", expected a number that is finite and not zero in ", name_of(precision));
    }
  }
}

StageSpec parse_scale(const JsonObject& json, const StageContext& stage) {
  json.allow_only({"op", "mean", "scale"});
  const Tensor& mean = stage.tensors.take(json, "mean", stage.where);
  const Tensor& scale = stage.tensors.take(json, "scale", stage.where);
  check_shape(mean, stage, "mean", {stage.columns});
  check_shape(scale, stage, "scale", {stage.columns});
  check_finite(mean, stage, "mean");
  check_finite(scale, stage, "scale");
  check_divisor(scale, stage, stage.precision);
  return {ScaleSpec{&mean, &scale}, stage.columns, stage.columns};
}

StageSpec parse_dense(const JsonObject& json, const StageContext& stage) {
  json.allow_only({"op", "weights", "bias", "activation"});
  if (json.has("activation") && json.text("activation") != "identity") {
    refuse(stage.where, ": activation is ", shown(json.text("activation")),
           ", expected \"identity\"");
  }
  const Tensor& weights = stage.tensors.take(json, "weights", stage.where);
  const Tensor& bias = stage.tensors.take(json, "bias", stage.where);
  if (weights.shape.size() != 2 || weights.shape[1] != stage.columns) {
    refuse(stage.where, ": weights is ", shape_text(weights.shape), ", expected [*, ",
           stage.columns, "]: a row has ", stage.columns, " columns here");
  }
  const std::uint64_t outputs = weights.shape[0];
  if (outputs > kOutputsMax) {
    refuse(stage.where, ": has ", outputs, " outputs, expected at most ", kOutputsMax);
  }
  check_shape(bias, stage, "bias", {outputs});
  check_finite(weights, stage, "weights");
  check_finite(bias, stage, "bias");
  return {DenseSpec{&weights, &bias}, stage.columns, outputs};
}

StageSpec parse_link(const JsonObject& json, const StageContext& stage) {
  static const std::map<std::string_view, LinkFunction> kFunctions = {
      {"identity", LinkFunction::kIdentity},
      {"sigmoid", LinkFunction::kSigmoid},
      {"softmax", LinkFunction::kSoftmax},
      {"exp", LinkFunction::kExponential}};
  json.allow_only({"op", "function"});
  const auto found = kFunctions.find(json.text("function"));
  if (found == kFunctions.end()) {
    refuse(stage.where, ": function is ", shown(json.text("function")),
           ", expected identity, sigmoid, softmax or exp");
  }
  if (found->second == LinkFunction::kSoftmax && stage.columns < 2) {
    refuse(stage.where, ": softmax of ", stage.columns, " column, expected at least 2");
  }
  return {LinkSpec{found->second}, stage.columns, stage.columns};
}

using StageParser = StageSpec (*)(const JsonObject&, const StageContext&);

StageParser parser_of(const std::string& op, const std::string& where) {
  static const std::map<std::string_view, StageParser> kParsers = {{"scale", parse_scale},
                                                                   {"dense", parse_dense},
                                                                   {"linear", parse_dense},
                                                                   {"link", parse_link}};
  const auto found = kParsers.find(op);
  if (found == kParsers.end()) refuse(where, ": unknown operator ", shown(op));
  return found->second;
}

std::vector<StageSpec> parse_stages(const Json& list, const ModelDescription& description,
                                    TensorTable& tensors) {
  if (list.empty() || list.size() > kStagesMax) {
    refuse("stages: has ", list.size(), " entries, expected 1 to ", kStagesMax);
  }
  std::vector<StageSpec> stages;
  std::size_t columns = description.features.size();
  for (std::size_t index = 0; index < list.size(); ++index) {
    const std::string number = "stage " + std::to_string(index);
    const std::string op = JsonObject(list[index], number).text("op");
    const StageParser parse = parser_of(op, number);
    const StageContext context{number + " (" + op + ")", columns, description.precision, tensors};
    stages.push_back(parse(JsonObject(list[index], context.where), context));
    if (std::holds_alternative<LinkSpec>(stages.back().kind) && index + 1 != list.size()) {
      refuse(context.where, ": a link is the last stage");
    }
    columns = stages.back().outputs;
  }
  return stages;
}

std::vector<std::string> parse_names(const JsonObject& graph, const char* key, std::size_t most) {
  const Json& list = graph.array(key);
  if (list.size() > most) refuse(key, ": has ", list.size(), " names, expected at most ", most);
  std::vector<std::string> names;
  std::set<std::string_view> seen;
  for (const Json& name : list) {
    if (!name.is_string() || name.get_ref<const std::string&>().empty()) {
      refuse(key, ": entry ", names.size(), ": expected a name, got ", shown(name.dump()));
    }
    if (!seen.insert(name.get_ref<const std::string&>()).second) {
      refuse(key, ": name ", shown(name.get_ref<const std::string&>()), " is given twice");
    }
    names.push_back(name.get<std::string>());
  }
  return names;
}

std::size_t parse_choice(const JsonObject& graph, const char* key,
                         const std::vector<std::string>& choices) {
  const std::string& text = graph.text(key);
  const auto found = std::find(choices.begin(), choices.end(), text);
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  std::string expected;
  for (const std::string& choice : choices) expected += (expected.empty() ? "" : ", ") + choice;
  refuse(key, " is ", shown(text), ", expected one of ", expected);
}

ModelDescription parse_description(const JsonObject& graph) {
  ModelDescription description;
  const bool fp32 = parse_choice(graph, "precision", {"fp32", "fp64"}) == 0;
  description.precision = fp32 ? Precision::kFp32 : Precision::kFp64;
  parse_choice(graph, "task", {"regression", "binary_classification", "multiclass_classification"});
  description.task = graph.text("task");
  description.features = parse_names(graph, "features", kFeaturesMax);
  if (description.features.empty()) refuse("features: expected at least one name");
  description.classes = parse_names(graph, "classes", kOutputsMax);
  description.refuses_missing = parse_choice(graph, "missing_values", {"refuse", "propagate"}) == 0;
  return description;
}

void check_classes(const ModelDescription& description, std::size_t outputs) {
  const std::size_t classes = description.classes.size();
  if (description.task == "regression" && classes != 0) {
    refuse("classes: has ", classes, " names, expected none for regression");
  }
  if (description.task == "binary_classification" && (classes != 2 || outputs != 1)) {
    refuse("classes: ", classes, " names and ", outputs,
           " scores, expected 2 and 1 for binary_classification");
  }
  if (description.task == "multiclass_classification" && (classes < 2 || classes != outputs)) {
    refuse("classes: ", classes, " names and ", outputs,
           " scores, expected one for each, at least 2, for multiclass_classification");
  }
}

// normalize() works in either precision, whatever the model's, so its tensors must fit both.
std::optional<ScaleSpec> parse_normalizer(const JsonObject& graph, const Graph& parsed,
                                          TensorTable& tensors) {
  if (!graph.has("normalizer")) return std::nullopt;
  graph.count("normalizer", 0);
  const auto* scale = std::get_if<ScaleSpec>(&parsed.stages.front().kind);
  if (scale == nullptr) refuse("normalizer: stage 0 is not a scale");
  const StageContext context{"stage 0 (scale, the normalizer)", parsed.stages.front().columns,
                             Precision::kFp32, tensors};
  check_finite(*scale->mean, context, "mean");
  check_divisor(*scale->scale, context, Precision::kFp32);
  return *scale;
}

std::string link_of(const std::vector<StageSpec>& stages) {
  const auto* link = std::get_if<LinkSpec>(&stages.back().kind);
  return link == nullptr ? "identity" : name_of(link->function);
}

}  // namespace

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

Graph parse_graph(const Safetensors& file) {
  const Json root = parse_strict_json(file.graph, "stage graph");
  const JsonObject json(root, "stage graph");
  // First, so that a file of a later format is refused for what it is.
  if (const auto version = json.count("format_version"); version != 1) {
    refuse("format_version is ", version, ", expected 1");
  }
  json.allow_only({"format_version", "precision", "task", "features", "classes", "missing_values",
                   "normalizer", "stages"});
  TensorTable tensors(file.tensors);
  Graph graph;
  graph.description = parse_description(json);
  graph.stages = parse_stages(json.array("stages"), graph.description, tensors);
  graph.normalizer = parse_normalizer(json, graph, tensors);
  tensors.check_all_taken();
  check_classes(graph.description, graph.stages.back().outputs);
  graph.description.link = link_of(graph.stages);
  graph.description.has_normalizer = graph.normalizer.has_value();
  return graph;
}

}  // namespace thriftscore
