// SPDX-License-Identifier: Apache-2.0
//
// What the parser of one operator needs: the tensors of the file, and checks whose messages say
// which stage, what was expected and what was found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/description.h"
#include "model/safetensors.h"
#include "model/strict_json.h"

namespace thriftscore {

inline constexpr std::size_t kFeaturesMax = 65536;
inline constexpr std::size_t kOutputsMax = 65536;
inline constexpr std::size_t kCategoriesMax = 65536;  // of one feature
inline constexpr std::size_t kStagesMax = 1024;       // of a file, those in branches included
inline constexpr std::size_t kBranchDepthMax = 8;

/// The tensors of a file, each to be taken by one stage, and what else its stages share.
class FileContext {
 public:
  FileContext(const std::vector<Tensor>& tensors, Precision precision);

  Precision precision() const noexcept { return precision_; }
  /// Throws ModelError for a name that is not there or was taken before.
  const Tensor& take(const std::string& name, const std::string& where);
  void check_all_taken() const;
  /// Counts `more` stages, to at most kStagesMax.
  void count_stages(std::size_t more, const std::string& where);

 private:
  std::map<std::string_view, const Tensor*> tensors_;  // null once taken
  Precision precision_;
  std::size_t stages_ = 0;
};

/// One stage of the file: its keys, and where it stands. Every member throws ModelError.
struct StageContext {
  JsonObject json;
  std::string where;    // "stage 1 (dense)"
  std::size_t columns;  // values in a row here
  std::size_t depth;    // of branches around the stage
  FileContext& file;

  bool has(const char* key) const { return json.has(key); }

  /// The tensor that the key `role` names, whatever its datatype and shape.
  const Tensor& take(const char* role) const;
  /// The same, refused unless its datatype is one of `allowed`.
  const Tensor& take(const char* role, std::initializer_list<Datatype> allowed) const;

  /// F32 or F64 of this shape, finite in the model's precision.
  std::vector<double> numbers(const char* role, const std::vector<std::uint64_t>& shape) const;
  /// I32 or I64 in one dimension, each at least `lowest` and at most `highest`.
  std::vector<std::int64_t> integers(const char* role, std::int64_t lowest,
                                     std::int64_t highest) const;
  /// The same, rising or equal from 0 to `last`: where the parts of another tensor begin and end.
  std::vector<std::size_t> offsets(const char* role, std::size_t last) const;
  /// The position among `choices` of the text under `key`.
  std::size_t choice(const char* key, const std::vector<std::string>& choices) const;

  void check_shape(const Tensor& tensor, const char* role,
                   const std::vector<std::uint64_t>& expected) const;
  void check_outputs(std::uint64_t outputs) const;
};

/// All elements of an F32 or F64 tensor.
std::vector<double> values_of(const Tensor& tensor);

const char* name_of(Precision precision) noexcept;

/// `value` rounded to the precision.
double rounded_to(Precision precision, double value) noexcept;

/// Whether every value is finite in the precision.
bool all_finite(const std::vector<double>& values, Precision precision) noexcept;

/// Refuses a value that is not finite in the precision.
void check_finite(const std::vector<double>& values, Precision precision, const std::string& where);

/// The position among `choices` of the text under `key` of `json`, which messages call `where`.
std::size_t parse_choice(const JsonObject& json, const char* key,
                         const std::vector<std::string>& choices, const std::string& where);

}  // namespace thriftscore
