// SPDX-License-Identifier: Apache-2.0
// Parsers of the stages that work on one column at a time.
#include <cmath>
#include <utility>

#include "model/error.h"
#include "model/operators.h"

namespace thriftscore {

void check_divisor(const std::vector<double>& scale, Precision precision,
                   const std::string& where) {
  for (std::size_t index = 0; index < scale.size(); ++index) {
    const double rounded = rounded_to(precision, scale[index]);
    if (rounded == 0.0 || !std::isfinite(rounded)) {
      refuse(where, ": scale: element ", index, " is ", scale[index],
             ", expected a number that is finite and not zero in ", name_of(precision));
    }
  }
}

StageSpec parse_scale(const StageContext& stage) {
  stage.json.allow_only({"op", "mean", "scale"});
  ScaleSpec scale{stage.numbers("mean", {stage.columns}), stage.numbers("scale", {stage.columns})};
  check_divisor(scale.scale, stage.file.precision(), stage.where);
  return {std::move(scale), stage.columns, stage.columns};
}

}  // namespace thriftscore
