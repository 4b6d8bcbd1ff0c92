// SPDX-License-Identifier: Apache-2.0
#include "server/row_work.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace thriftscore::server {
namespace {

constexpr std::size_t kDenseBlockBytes = std::size_t{64} << 10;
constexpr std::size_t kBlockNs = 100'000;
/** Measured on scalar code, the slowest target; memory-bound work costs about as much a byte. */
constexpr std::size_t kOperationsPerNs = 2;

template <typename T>
T load(const std::byte* bytes, std::size_t index) noexcept {
  T value;
  std::memcpy(&value, bytes + index * sizeof(T), sizeof(T));
  return value;
}

RowOutcome outcome_of(const std::optional<MissingValue>& missing, std::size_t first) noexcept {
  if (!missing) return {};
  return {RowOutcome::State::kMissingValue, {missing->row + first, missing->column}};
}

template <typename In>
RowOutcome score_dense(const RowWork& work, const In* rows, std::size_t first, std::size_t count,
                       Workspace& workspace) {
  const std::size_t written = first * work.model->outputs();
  if (work.model->description().precision == Precision::kFp32) {
    auto* const scores = reinterpret_cast<float*>(work.output) + written;
    return outcome_of(work.model->score(rows, count, scores, workspace), first);
  }
  auto* const scores = reinterpret_cast<double*>(work.output) + written;
  return outcome_of(work.model->score(rows, count, scores, workspace), first);
}

/** The stored values of one sparse row: positions from `begin` to `end`. */
struct StoredRow {
  std::size_t begin;
  std::size_t end;
};

/** Where row `index` is stored; nothing if it is out of range or its columns do not rise. */
std::optional<StoredRow> stored_row(const RowWork& work, std::size_t index) noexcept {
  const auto stored = static_cast<std::int64_t>(work.indices.size() / sizeof(std::int32_t));
  const auto begin = load<std::int64_t>(work.indptr.data(), index);
  const auto end = load<std::int64_t>(work.indptr.data(), index + 1);
  if (begin < 0 || begin > end || end > stored) return std::nullopt;
  if (index == 0 && begin != 0) return std::nullopt;
  if (index + 1 == work.rows && end != stored) return std::nullopt;
  const StoredRow row{static_cast<std::size_t>(begin), static_cast<std::size_t>(end)};
  std::int64_t previous = -1;
  for (std::size_t at = row.begin; at < row.end; ++at) {
    const std::int64_t column = load<std::int32_t>(work.indices.data(), at);
    if (column <= previous || column >= static_cast<std::int64_t>(work.model->columns())) {
      return std::nullopt;
    }
    previous = column;
  }
  return row;
}

/** Writes one sparse row to `row`, which is all zero; false if it is out of range. */
template <typename In>
bool scatter(const RowWork& work, std::size_t index, In* row) noexcept {
  const auto stored = stored_row(work, index);
  if (!stored) return false;
  for (std::size_t at = stored->begin; at < stored->end; ++at) {
    row[load<std::int32_t>(work.indices.data(), at)] = load<In>(work.input, at);
  }
  return true;
}

/** For a model that takes rows as they are stored. */
template <typename In>
RowOutcome score_stored(const RowWork& work, std::size_t first, std::size_t count,
                        Workspace& workspace) {
  for (std::size_t row = first; row < first + count; ++row) {
    if (!stored_row(work, row)) return {RowOutcome::State::kMalformed, {}};
  }
  const SparseRows<In> rows{reinterpret_cast<const std::int64_t*>(work.indptr.data()),
                            reinterpret_cast<const std::int32_t*>(work.indices.data()),
                            reinterpret_cast<const In*>(work.input)};
  const std::size_t written = first * work.model->outputs();
  if (work.model->description().precision == Precision::kFp32) {
    auto* const scores = reinterpret_cast<float*>(work.output) + written;
    return outcome_of(work.model->score_sparse(rows.from(first), count, scores, workspace), first);
  }
  auto* const scores = reinterpret_cast<double*>(work.output) + written;
  return outcome_of(work.model->score_sparse(rows.from(first), count, scores, workspace), first);
}

template <typename In>
RowOutcome score_sparse(const RowWork& work, std::size_t first, std::size_t count,
                        Scratch& scratch) {
  if (work.model->takes_sparse()) return score_stored<In>(work, first, count, scratch.workspace);
  const std::size_t columns = work.model->columns();
  const std::size_t row_bytes = columns * sizeof(In);
  const std::size_t block_max = std::max<std::size_t>(1, kDenseBlockBytes / row_bytes);
  for (std::size_t done = 0; done < count;) {
    const std::size_t block = std::min(block_max, count - done);
    scratch.rows.assign(block * row_bytes, std::byte{0});
    auto* const rows = reinterpret_cast<In*>(scratch.rows.data());
    for (std::size_t row = 0; row < block; ++row) {
      if (!scatter(work, first + done + row, rows + row * columns)) {
        return {RowOutcome::State::kMalformed, {}};
      }
    }
    const auto outcome = score_dense(work, rows, first + done, block, scratch.workspace);
    if (outcome.state != RowOutcome::State::kDone) return outcome;
    done += block;
  }
  return {};
}

template <typename T>
RowOutcome run_as(const RowWork& work, std::size_t first, std::size_t count, Scratch& scratch) {
  if (work.kind == RowWork::Kind::kScoreSparse) return score_sparse<T>(work, first, count, scratch);
  const std::size_t read = first * work.model->columns();
  const auto* const rows = reinterpret_cast<const T*>(work.input) + read;
  if (work.kind == RowWork::Kind::kScore) {
    return score_dense(work, rows, first, count, scratch.workspace);
  }
  auto* const normalized = reinterpret_cast<T*>(work.output) + read;
  if (work.kind == RowWork::Kind::kNormalize) work.model->normalize(rows, count, normalized);
  if (work.kind == RowWork::Kind::kDenormalize) work.model->denormalize(rows, count, normalized);
  return {};
}

std::size_t row_operations(const RowWork& work) noexcept {
  return work.model->columns() + (work.scores() ? work.model->operations_per_row() : 0);
}

}  // namespace

RowOutcome RowWork::run(std::size_t first, std::size_t count, Scratch& scratch) const {
  return datatype == wire::DataType::kFp32 ? run_as<float>(*this, first, count, scratch)
                                           : run_as<double>(*this, first, count, scratch);
}

Nanoseconds RowWork::estimated_ns() const noexcept {
  return static_cast<Nanoseconds>(row_operations(*this) * rows / kOperationsPerNs);
}

std::size_t RowWork::block_rows() const noexcept {
  return std::max<std::size_t>(1, kBlockNs * kOperationsPerNs / row_operations(*this));
}

wire::DataType output_datatype(const Model& model) noexcept {
  const bool single = model.description().precision == Precision::kFp32;
  return single ? wire::DataType::kFp32 : wire::DataType::kFp64;
}

}  // namespace thriftscore::server
