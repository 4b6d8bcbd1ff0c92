// SPDX-License-Identifier: Apache-2.0
#include "model/graph.h"

#include <set>
#include <string_view>
#include <variant>

#include "model/error.h"
#include "model/operators.h"
#include "model/strict_json.h"

namespace thriftscore {
namespace {

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

ModelDescription parse_description(const JsonObject& graph) {
  ModelDescription description;
  const bool fp32 = parse_choice(graph, "precision", {"fp32", "fp64"}, "") == 0;
  description.precision = fp32 ? Precision::kFp32 : Precision::kFp64;
  parse_choice(graph, "task", {"regression", "binary_classification", "multiclass_classification"},
               "");
  description.task = graph.text("task");
  description.features = parse_names(graph, "features", kFeaturesMax);
  if (description.features.empty()) refuse("features: expected at least one name");
  description.classes = parse_names(graph, "classes", kOutputsMax);
  description.refuses_missing =
      parse_choice(graph, "missing_values", {"refuse", "propagate"}, "") == 0;
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
std::optional<ScaleSpec> parse_normalizer(const JsonObject& graph, const ChainSpec& stages) {
  if (!graph.has("normalizer")) return std::nullopt;
  graph.count("normalizer", 0);
  const auto* scale = std::get_if<ScaleSpec>(&stages.front().kind);
  if (scale == nullptr) refuse("normalizer: stage 0 is not a scale");
  const std::string where = "stage 0 (scale, the normalizer)";
  check_finite(scale->mean, Precision::kFp32, where + ": mean");
  check_divisor(scale->scale, Precision::kFp32, where);
  return *scale;
}

std::string link_of(const ChainSpec& stages) {
  const auto* link = std::get_if<LinkSpec>(&stages.back().kind);
  return link == nullptr ? "identity" : name_of(link->function);
}

ChainSpec parse_stages(const JsonObject& graph, std::size_t columns, FileContext& file) {
  const Json& list = graph.array("stages");
  if (list.empty()) refuse("stages: has 0 entries, expected at least 1");
  return parse_chain(list, {"", columns, 0}, file);
}

}  // namespace

Graph parse_graph(const Safetensors& file) {
  const Json root = parse_strict_json(file.graph, "stage graph");
  const JsonObject json(root, "stage graph");
  // First, so that a file of a later format is refused for what it is.
  if (const auto version = json.count("format_version"); version != 1) {
    refuse("format_version is ", version, ", expected 1");
  }
  json.allow_only({"format_version", "precision", "task", "features", "classes", "missing_values",
                   "normalizer", "stages"});
  Graph graph;
  graph.description = parse_description(json);
  FileContext context(file.tensors, graph.description.precision);
  graph.stages = parse_stages(json, graph.description.features.size(), context);
  graph.normalizer = parse_normalizer(json, graph.stages);
  context.check_all_taken();
  check_classes(graph.description, graph.stages.back().outputs);
  graph.description.link = link_of(graph.stages);
  graph.description.has_normalizer = graph.normalizer.has_value();
  return graph;
}

}  // namespace thriftscore
