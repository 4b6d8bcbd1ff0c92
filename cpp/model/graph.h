// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "model/description.h"
#include "model/safetensors.h"
#include "model/stage_spec.h"

namespace thriftscore {

/// The stage graph as the file states it, with every name, shape and value checked: what is built
/// from it needs no check of its own.
struct Graph {
  ModelDescription description;  // all but `plan`
  ChainSpec stages;              // at least one
  std::optional<ScaleSpec> normalizer;
};

/// Throws ModelError with the stage, the check that failed, what was expected and what was found.
Graph parse_graph(const Safetensors& file);

}  // namespace thriftscore
