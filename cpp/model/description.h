// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace thriftscore {

/// The type a model computes and answers in.
enum class Precision { kFp32, kFp64 };

/// What a model is, as its file says.
struct ModelDescription {
  Precision precision = Precision::kFp32;
  std::string task;  // regression, binary_classification, multiclass_classification
  std::string link;  // identity, sigmoid, softmax, exp
  std::vector<std::string> features;  // in the order of a row; unique
  std::vector<std::string> classes;   // in the order of the scores; unique; empty for regression
  bool refuses_missing = true;        // a NaN feature is an error; otherwise it propagates
  bool has_normalizer = false;        // normalize and denormalize may be called
  std::vector<std::string> plan;      // one line a stage as it runs, after folding
};

}  // namespace thriftscore
