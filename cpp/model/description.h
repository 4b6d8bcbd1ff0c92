// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace thriftscore {

/// The type a model computes and answers in.
enum class Precision { kFp32, kFp64 };

/// How the label of a row follows from its scores: not at all, class 1 where the score is above the
/// threshold and else class 0, or the first class with the largest score.
enum class Labelling { kNone, kThreshold, kArgmax };

/// How the names of features become columns, in a model that takes features of any name.
struct FeatureHashing {
  bool alternate_sign = true;  // half of the names subtract their values
};

/// What a model is, as its file says.
struct ModelDescription {
  Precision precision = Precision::kFp32;
  std::string task;  // regression, binary_classification, multiclass_classification
  std::string link;  // functions of the links at the end, joined by ", "; identity without any
  std::vector<std::string> features;  // in the order of a row; unique
  std::vector<std::string> classes;   // in the order of the scores; unique; empty for regression
  std::map<std::string, std::vector<std::string>> categories;  // of a feature that is their index
  std::optional<FeatureHashing> hashing;  // absent: `features` are the only names
  Labelling labelling = Labelling::kNone;
  double label_threshold = 0.5;      // of kThreshold
  bool refuses_missing = true;       // a NaN feature is an error; otherwise it propagates
  bool has_normalizer = false;       // normalize and denormalize may be called
  std::vector<std::string> outputs;  // names of what evaluate() can write, scores first
  std::vector<std::string> plan;     // one line a stage as it runs, after folding
};

}  // namespace thriftscore
