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

// A list of names, each given once; messages call it `where`.
std::vector<std::string> parse_names(const Json& list, std::size_t most, const std::string& where) {
  if (list.size() > most) refuse(where, ": has ", list.size(), " names, expected at most ", most);
  std::vector<std::string> names;
  std::set<std::string_view> seen;
  for (const Json& name : list) {
    if (!name.is_string() || name.get_ref<const std::string&>().empty()) {
      refuse(where, ": entry ", names.size(), ": expected a name, got ", shown(name.dump()));
    }
    if (!seen.insert(name.get_ref<const std::string&>()).second) {
      refuse(where, ": name ", shown(name.get_ref<const std::string&>()), " is given twice");
    }
    names.push_back(name.get<std::string>());
  }
  return names;
}

void parse_categories(const JsonObject& graph, ModelDescription& description) {
  if (!graph.has("categories")) return;
  const Json& categories = graph.object("categories");
  const std::set<std::string_view> features(description.features.begin(),
                                            description.features.end());
  for (const auto& [feature, names] : categories.items()) {
    const std::string where = "categories: " + shown(feature);
    if (!features.contains(feature)) refuse(where, ": there is no such feature");
    if (!names.is_array()) refuse(where, ": expected a list, got ", names.type_name());
    description.categories[feature] = parse_names(names, kCategoriesMax, where);
  }
}

void parse_hashing(const JsonObject& graph, ModelDescription& description) {
  if (!graph.has("hashing")) return;
  const JsonObject hashing(graph.object("hashing"), "hashing");
  hashing.allow_only({"function", "signs"});
  parse_choice(hashing, "function", {"murmur3_32"}, "hashing: ");
  const auto signs = parse_choice(hashing, "signs", {"positive", "alternate"}, "hashing: ");
  description.hashing = FeatureHashing{.alternate_sign = signs == 1};
  if (!description.categories.empty()) refuse("hashing: expected no categories beside it");
}

void parse_labelling(const JsonObject& graph, ModelDescription& description) {
  const bool binary = description.task == "binary_classification";
  if (graph.has("label")) {
    description.labelling =
        static_cast<Labelling>(parse_choice(graph, "label", {"none", "threshold", "argmax"}, ""));
  } else if (description.task != "regression") {
    description.labelling = binary ? Labelling::kThreshold : Labelling::kArgmax;
  }
  const bool argmax = description.labelling == Labelling::kArgmax;
  if (argmax && description.task != "multiclass_classification") {
    refuse("label is argmax, expected so of multiclass_classification only");
  }
  const bool threshold = description.labelling == Labelling::kThreshold;
  if (threshold && !binary) {
    refuse("label is threshold, expected so of binary_classification only");
  }
  if (!graph.has("label_threshold")) return;
  if (!threshold) refuse("label_threshold is given where label is not threshold");
  description.label_threshold = graph.number("label_threshold");
}

ModelDescription parse_description(const JsonObject& graph) {
  ModelDescription description;
  const bool fp32 = parse_choice(graph, "precision", {"fp32", "fp64"}, "") == 0;
  description.precision = fp32 ? Precision::kFp32 : Precision::kFp64;
  parse_choice(graph, "task", {"regression", "binary_classification", "multiclass_classification"},
               "");
  description.task = graph.text("task");
  description.features = parse_names(graph.array("features"), kFeaturesMax, "features");
  if (description.features.empty()) refuse("features: expected at least one name");
  description.classes = parse_names(graph.array("classes"), kOutputsMax, "classes");
  description.refuses_missing =
      parse_choice(graph, "missing_values", {"refuse", "propagate"}, "") == 0;
  parse_categories(graph, description);
  parse_hashing(graph, description);
  parse_labelling(graph, description);
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
  std::string text;
  for (std::size_t i = links_from(stages); i < stages.size(); ++i) {
    text += (text.empty() ? "" : ", ");
    text += name_of(std::get<LinkSpec>(stages[i].kind).function);
  }
  return text.empty() ? "identity" : text;
}

std::vector<std::string> output_names(const ModelDescription& description) {
  std::vector<std::string> names = {"scores", "margin"};
  if (!description.classes.empty()) names.emplace_back("probabilities");
  if (description.labelling != Labelling::kNone) names.emplace_back("label");
  return names;
}

ChainSpec parse_stages(const JsonObject& graph, std::size_t columns, FileContext& file) {
  const Json& list = graph.array("stages");
  if (list.empty()) refuse("stages: has 0 entries, expected at least 1");
  return parse_chain(list, {"", columns, 0}, file);
}

}  // namespace

std::size_t links_from(const ChainSpec& stages) noexcept {
  std::size_t from = stages.size();
  while (from > 0 && std::holds_alternative<LinkSpec>(stages[from - 1].kind)) --from;
  return from;
}

Graph parse_graph(const Safetensors& file) {
  const Json root = parse_strict_json(file.graph, "stage graph");
  const JsonObject json(root, "stage graph");
  // First, so that a file of a later format is refused for what it is.
  if (const auto version = json.count("format_version"); version != 1) {
    refuse("format_version is ", version, ", expected 1");
  }
  json.allow_only({"format_version", "precision", "task", "features", "classes", "missing_values",
                   "normalizer", "stages", "categories", "hashing", "label", "label_threshold"});
  Graph graph;
  graph.description = parse_description(json);
  FileContext context(file.tensors, graph.description.precision);
  graph.stages = parse_stages(json, graph.description.features.size(), context);
  graph.normalizer = parse_normalizer(json, graph.stages);
  context.check_all_taken();
  check_classes(graph.description, graph.stages.back().outputs);
  graph.description.link = link_of(graph.stages);
  graph.description.outputs = output_names(graph.description);
  graph.description.has_normalizer = graph.normalizer.has_value();
  return graph;
}

}  // namespace thriftscore
