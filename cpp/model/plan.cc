// SPDX-License-Identifier: Apache-2.0
#include "model/plan.h"

#include <utility>
#include <variant>
#include <vector>

namespace thriftscore {

template <typename T>
Chain<T> make_chain(const ChainSpec& stages, std::size_t columns) {
  std::vector<StagePointer<T>> made;
  for (const StageSpec& stage : stages) {
    made.push_back(std::visit(
        [&stage](const auto& kind) { return make_stage<T>(kind, stage.columns); }, stage.kind));
  }
  return Chain<T>(std::move(made), columns);
}

template Chain<float> make_chain(const ChainSpec&, std::size_t);
template Chain<double> make_chain(const ChainSpec&, std::size_t);

}  // namespace thriftscore
