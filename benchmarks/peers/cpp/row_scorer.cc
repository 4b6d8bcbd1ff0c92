// SPDX-License-Identifier: Apache-2.0
#include "row_scorer.h"

namespace thriftscore::peers {

std::size_t RowScorer::rows_of(std::size_t count) const {
  const std::size_t columns = model_->columns();
  if (count % columns == 0) return count / columns;
  throw RowsRefused("expected rows of " + std::to_string(columns) + " values, received " +
                    std::to_string(count) + " values");
}

template <typename In, typename Out>
void RowScorer::score(const In* x, std::size_t rows, Out* y) const {
  thread_local Workspace workspace;
  const auto missing = model_->score(x, rows, y, workspace);
  if (missing) throw RowsRefused("row " + std::to_string(missing->row) + " holds a NaN");
}

template void RowScorer::score(const float*, std::size_t, float*) const;
template void RowScorer::score(const float*, std::size_t, double*) const;
template void RowScorer::score(const double*, std::size_t, float*) const;
template void RowScorer::score(const double*, std::size_t, double*) const;

std::string RowScorer::score_bytes(std::string_view features, bool features_are_double) const {
  return features_are_double ? score_bytes_of<double>(features) : score_bytes_of<float>(features);
}

template <typename In>
std::string RowScorer::score_bytes_of(std::string_view features) const {
  if (features.size() % sizeof(In) != 0) throw RowsRefused("the features end within a value");
  const std::size_t rows = rows_of(features.size() / sizeof(In));
  const std::size_t scores = rows * model_->outputs();
  std::string bytes(scores * (is_double() ? sizeof(double) : sizeof(float)), '\0');
  // The engine takes matrices at any address, aligned or not.
  const In* const x = reinterpret_cast<const In*>(features.data());
  if (is_double()) {
    score(x, rows, reinterpret_cast<double*>(bytes.data()));
  } else {
    score(x, rows, reinterpret_cast<float*>(bytes.data()));
  }
  return bytes;
}

}  // namespace thriftscore::peers
