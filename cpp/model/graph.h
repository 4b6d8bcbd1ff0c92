// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
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

/// Where the links at the end of the main chain begin: what they take is the margin.
std::size_t links_from(const ChainSpec& stages) noexcept;

/// Throws ModelError with the stage, the check that failed, what was expected and what was found.
Graph parse_graph(const Safetensors& file);

}  // namespace thriftscore
