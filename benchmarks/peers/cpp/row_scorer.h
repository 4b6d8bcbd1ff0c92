// SPDX-License-Identifier: Apache-2.0
// Rows in, scores out, in the types that messages have.
#pragma once

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "model/model.h"

namespace thriftscore::peers {

/// The request is wrong: it holds no whole rows, or a value that the model refuses.
class RowsRefused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Scores rows with one model, from any thread.
class RowScorer {
 public:
  explicit RowScorer(std::shared_ptr<const Model> model) : model_(std::move(model)) {}

  const Model& model() const noexcept { return *model_; }
  bool is_double() const noexcept { return model_->description().precision == Precision::kFp64; }

  /// Rows in `count` values. Throws RowsRefused unless there are only whole ones.
  std::size_t rows_of(std::size_t count) const;

  /// The bytes of the scores of the rows in `features`, which are float or, where
  /// `features_are_double`, double; the scores are of the model's precision. Throws RowsRefused.
  std::string score_bytes(std::string_view features, bool features_are_double) const;

  /// y = scores of x [rows, columns], y [rows, outputs] of the model's precision.
  /// Throws RowsRefused.
  template <typename In, typename Out>
  void score(const In* x, std::size_t rows, Out* y) const;

 private:
  template <typename In>
  std::string score_bytes_of(std::string_view features) const;

  std::shared_ptr<const Model> model_;
};

}  // namespace thriftscore::peers
