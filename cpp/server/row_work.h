// SPDX-License-Identifier: Apache-2.0
// The arithmetic of one request, apart from how it came and how it is answered.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "model/model.h"
#include "server/clock.h"
#include "wire/replies.h"

namespace thriftscore::server {

/** What a thread needs to run row work. Grows to the largest need and keeps it. */
struct Scratch {
  Workspace workspace;
  std::vector<std::byte> rows;  // sparse rows made dense
};

/** How row work ended. */
struct RowOutcome {
  enum class State {
    kDone,
    kMissingValue,  // the model refuses NaN; `missing` says where it is
    kMalformed,     // sparse rows that are out of range
  };
  State state = State::kDone;
  MissingValue missing{};
};

/**
 * A request whose sizes have been checked: `rows` rows from `input` to `output`, which point into
 * a message and into its reply, at any alignment. Any split of the rows over calls of run(), on
 * any threads, gives the same bits.
 */
struct RowWork {
  enum class Kind { kScore, kScoreSparse, kNormalize, kDenormalize };

  Kind kind = Kind::kScore;
  const Model* model = nullptr;
  wire::DataType datatype = wire::DataType::kFp32;  // of the input: kFp32 or kFp64
  std::size_t rows = 0;
  const std::byte* input = nullptr;  // kScoreSparse: the values
  wire::Bytes indptr{};              // kScoreSparse only
  wire::Bytes indices{};             // kScoreSparse only
  std::byte* output = nullptr;

  bool scores() const noexcept { return kind == Kind::kScore || kind == Kind::kScoreSparse; }

  /** Does rows `first` to first + count; row numbers in the outcome count from row 0. */
  RowOutcome run(std::size_t first, std::size_t count, Scratch& scratch) const;

  /** What all rows will cost, roughly; too much rather than too little. */
  Nanoseconds estimated_ns() const noexcept;

  /** Rows that cost about a tenth of a millisecond: the unit in which work is split. */
  std::size_t block_rows() const noexcept;
};

/** Bytes of one element, or 0 if `datatype` is neither FP32 nor FP64. */
constexpr std::size_t element_bytes(wire::DataType datatype) noexcept {
  if (datatype == wire::DataType::kFp32) return sizeof(float);
  return datatype == wire::DataType::kFp64 ? sizeof(double) : 0;
}

/** The type that `model` answers in. */
wire::DataType output_datatype(const Model& model) noexcept;

}  // namespace thriftscore::server
