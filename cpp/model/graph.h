// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/description.h"
#include "model/safetensors.h"

namespace thriftscore {

inline constexpr std::size_t kFeaturesMax = 65536;
inline constexpr std::size_t kOutputsMax = 65536;
inline constexpr std::size_t kStagesMax = 1024;

/// (x - mean) / scale, by column.
struct ScaleSpec {
  const Tensor* mean;   // [columns]
  const Tensor* scale;  // [columns], no zero
};

/// weights x + bias.
struct DenseSpec {
  const Tensor* weights;  // [outputs, columns]
  const Tensor* bias;     // [outputs]
};

enum class LinkFunction { kIdentity, kSigmoid, kSoftmax, kExponential };

/// The name that the file uses.
const char* name_of(LinkFunction function) noexcept;

struct LinkSpec {
  LinkFunction function;
};

struct StageSpec {
  std::variant<ScaleSpec, DenseSpec, LinkSpec> kind;
  std::size_t columns;
  std::size_t outputs;
};

/// The stage graph as the file states it, with every name, shape and value checked: what is built
/// from it needs no check of its own. The tensors are those of the file it was parsed from.
struct Graph {
  ModelDescription description;   // all but `plan`
  std::vector<StageSpec> stages;  // at least one; each takes what the one before it gives
  std::optional<ScaleSpec> normalizer;
};

/// Throws ModelError with the stage, the check that failed, what was expected and what was found.
Graph parse_graph(const Safetensors& file);

}  // namespace thriftscore
