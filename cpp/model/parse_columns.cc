// SPDX-License-Identifier: Apache-2.0
// Parsers of the stages that work on one column, or one row, at a time.
#include <cmath>
#include <limits>
#include <utility>

#include "model/error.h"
#include "model/operators.h"

namespace thriftscore {
namespace {

// F32 or F64 of one value a column, with infinities but without NaN.
std::vector<double> parse_bounds(const StageContext& stage, const char* role) {
  const Tensor& tensor = stage.take(role, {Datatype::kF32, Datatype::kF64});
  stage.check_shape(tensor, role, {stage.columns});
  std::vector<double> values = values_of(tensor);
  for (std::size_t index = 0; index < values.size(); ++index) {
    if (std::isnan(values[index])) refuse(stage.where, ": ", role, ": element ", index, " is NaN");
  }
  return values;
}

// F32 or F64 in one dimension, with NaN but without infinities.
std::vector<double> parse_categories(const StageContext& stage) {
  const Tensor& tensor = stage.take("categories", {Datatype::kF32, Datatype::kF64});
  stage.check_shape(tensor, "categories", {tensor.size()});
  std::vector<double> values = values_of(tensor);
  for (std::size_t index = 0; index < values.size(); ++index) {
    if (std::isinf(rounded_to(stage.file.precision(), values[index]))) {
      refuse(stage.where, ": categories: element ", index, " is ", values[index],
             ", expected NaN or a finite ", name_of(stage.file.precision()), " number");
    }
  }
  return values;
}

}  // namespace

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

StageSpec parse_select(const StageContext& stage) {
  stage.json.allow_only({"op", "columns"});
  const auto last = static_cast<std::int64_t>(stage.columns) - 1;
  const std::vector<std::int64_t> columns = stage.integers("columns", 0, last);
  stage.check_outputs(columns.size());
  return {SelectSpec{{columns.begin(), columns.end()}}, stage.columns, columns.size()};
}

StageSpec parse_impute(const StageContext& stage) {
  stage.json.allow_only({"op", "values", "missing"});
  ImputeSpec impute{stage.numbers("values", {stage.columns}), std::nullopt};
  if (stage.has("missing")) impute.missing = stage.json.number("missing");
  return {std::move(impute), stage.columns, stage.columns};
}

StageSpec parse_clip(const StageContext& stage) {
  stage.json.allow_only({"op", "low", "high"});
  ClipSpec clip{parse_bounds(stage, "low"), parse_bounds(stage, "high")};
  for (std::size_t c = 0; c < stage.columns; ++c) {
    if (clip.low[c] > clip.high[c]) {
      refuse(stage.where, ": low: element ", c, " is ", clip.low[c], ", expected at most high, ",
             clip.high[c]);
    }
  }
  return {std::move(clip), stage.columns, stage.columns};
}

StageSpec parse_row_norm(const StageContext& stage) {
  stage.json.allow_only({"op", "norm"});
  const auto norm = static_cast<Norm>(stage.choice("norm", {"l1", "l2", "max"}));
  return {RowNormSpec{norm}, stage.columns, stage.columns};
}

StageSpec parse_binarize(const StageContext& stage) {
  stage.json.allow_only({"op", "thresholds"});
  return {BinarizeSpec{stage.numbers("thresholds", {stage.columns})}, stage.columns, stage.columns};
}

StageSpec parse_one_hot(const StageContext& stage) {
  stage.json.allow_only({"op", "offsets", "categories", "unknown"});
  std::vector<double> categories = parse_categories(stage);
  stage.check_outputs(categories.size());
  std::vector<std::size_t> offsets = stage.offsets("offsets", categories.size());
  if (offsets.size() != stage.columns + 1) {
    refuse(stage.where, ": offsets is [", offsets.size(), "], expected [", stage.columns + 1,
           "]: a row has ", stage.columns, " columns here");
  }
  const std::size_t outputs = categories.size();
  const bool unknown_is_nan = stage.choice("unknown", {"zeros", "nan"}) == 1;
  return {OneHotSpec{std::move(offsets), std::move(categories), unknown_is_nan}, stage.columns,
          outputs};
}

}  // namespace thriftscore
