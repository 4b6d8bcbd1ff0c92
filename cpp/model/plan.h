// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "model/graph.h"
#include "model/stage.h"

namespace thriftscore {

/// The stages as they run, after folding; at least one. Nothing in them refers to the graph.
template <typename T>
std::vector<StagePointer<T>> make_plan(const Graph& graph);

}  // namespace thriftscore
