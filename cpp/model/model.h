// SPDX-License-Identifier: Apache-2.0
//
// The scoring engine: a model file in, scores out. README.md beside this file has a program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <span>

#include "model/description.h"
#include "model/error.h"
#include "model/sparse_rows.h"

namespace thriftscore {

/// The first NaN feature in a call to a model that refuses them.
struct MissingValue {
  std::size_t row;
  std::size_t column;
};

/// Scratch memory for scoring: one for each thread, for any number of models. Empty at first; it
/// grows when a model needs more than every model before it, which reserve() can do beforehand.
class Workspace {
 public:
  /// At least `bytes` bytes, aligned to 64, valid until the next call. Throws std::bad_alloc.
  std::byte* reserve(std::size_t bytes) {
    if (bytes > size_) grow(bytes);
    return data_.get();
  }

 private:
  struct Free {
    void operator()(std::byte* data) const noexcept;
  };
  void grow(std::size_t bytes);

  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

/// Where evaluate() writes what a model gives, each at any address; null for what is not wanted.
template <typename T>
struct Outputs {
  T* scores;                       // [rows, outputs()]; never null
  T* margin = nullptr;             // [rows, outputs()]: what the links at the end take
  T* probabilities = nullptr;      // [rows, classes]; of classifiers only
  std::int64_t* labels = nullptr;  // [rows], indices of classes; not with Labelling::kNone
};

/// A loaded model. Immutable: any number of threads may call anything at once, each with a
/// workspace of its own.
///
/// Matrices are row-major and without padding, at any address, aligned or not; an output must not
/// overlap an input unless said. The bits of a row's scores do not depend on the other rows of
/// the call, nor on how rows are spread over calls.
class Model {
 public:
  /// Reads the whole file (a regular one, at most 4 GiB) and checks everything in it, as FORMAT.md
  /// lists. Throws ModelError, whose message names the file and the check that failed.
  static std::shared_ptr<const Model> load_file(const std::filesystem::path& path);

  /// The same from bytes in memory, which are not needed afterwards. Throws ModelError.
  static std::shared_ptr<const Model> load_bytes(std::span<const std::byte> file);

  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  ~Model();

  const ModelDescription& description() const noexcept { return description_; }
  /// Features in a row.
  std::size_t columns() const noexcept { return columns_; }
  /// Scores for a row.
  std::size_t outputs() const noexcept { return outputs_; }
  /// Arithmetic operations that score() takes a row, roughly.
  std::size_t operations_per_row() const noexcept { return operations_per_row_; }
  /// What score() takes from its workspace, whatever the type of the features.
  std::size_t workspace_bytes() const noexcept;

  /// Scores x [rows, columns()] into y [rows, outputs()].
  ///
  /// In is float or double, whichever the caller has: features in the other precision than the
  /// model's are rounded to it, to infinity where they are too large. Out must be the model's
  /// precision (asserted): float for kFp32, double for kFp64.
  ///
  /// Returns the first NaN feature if the model refuses them; y is then unspecified. A NaN score
  /// from features that are not NaN (infinity - infinity) is a result, not an error. Allocates
  /// nothing and throws nothing, unless the workspace has to grow (std::bad_alloc).
  template <typename In, typename Out>
  std::optional<MissingValue> score(const In* x, std::size_t rows, Out* y,
                                    Workspace& workspace) const;

  /// As score(), and writes the other outputs as well.
  template <typename In, typename Out>
  std::optional<MissingValue> evaluate(const In* x, std::size_t rows, const Outputs<Out>& y,
                                       Workspace& workspace) const;

  /// True where score_sparse() can be called: the model begins with weights most of which are zero.
  bool takes_sparse() const noexcept;

  /// As score(), to the same bits, of rows that are given without their zeros, in time that does
  /// not grow with columns().
  template <typename In, typename Out>
  std::optional<MissingValue> score_sparse(const SparseRows<In>& x, std::size_t rows, Out* y,
                                           Workspace& workspace) const;

  /// y = (x - mean) / scale, by column, x and y [rows, columns()]; y may be x. T is float or
  /// double, whatever the model's precision; each operation is rounded to T once. NaN propagates.
  /// Only where description().has_normalizer (asserted).
  template <typename T>
  void normalize(const T* x, std::size_t rows, T* y) const noexcept;

  /// y = mean + scale * x: the inverse, as normalize() in all else.
  template <typename T>
  void denormalize(const T* x, std::size_t rows, T* y) const noexcept;

 private:
  struct Program;
  Model(ModelDescription description, std::unique_ptr<const Program> program);

  ModelDescription description_;
  std::unique_ptr<const Program> program_;
  std::size_t columns_;
  std::size_t outputs_;
  std::size_t operations_per_row_ = 0;
};

}  // namespace thriftscore
