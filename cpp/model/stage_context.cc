// SPDX-License-Identifier: Apache-2.0
#include "model/stage_context.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "model/error.h"

namespace thriftscore {

FileContext::FileContext(const std::vector<Tensor>& tensors, Precision precision)
    : precision_(precision) {
  for (const Tensor& tensor : tensors) tensors_.emplace(tensor.name, &tensor);
}

const Tensor& FileContext::take(const std::string& name, const std::string& where) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) refuse(where, ": there is no tensor ", shown(name));
  if (found->second == nullptr) refuse(where, ": tensor ", shown(name), " is used already");
  return *std::exchange(found->second, nullptr);
}

void FileContext::check_all_taken() const {
  for (const auto& [name, tensor] : tensors_) {
    if (tensor != nullptr) refuse("tensor ", shown(name), ": no stage uses it");
  }
}

void FileContext::count_stages(std::size_t more, const std::string& where) {
  if (more > kStagesMax - stages_) {
    refuse(where, ": ", more, " stages beside ", stages_, " others, expected at most ", kStagesMax,
           " in all");
  }
  stages_ += more;
}

const Tensor& StageContext::take(const char* role) const {
  return file.take(json.text(role), where + ": " + role);
}

const Tensor& StageContext::take(const char* role, std::initializer_list<Datatype> allowed) const {
  const Tensor& tensor = take(role);
  if (std::find(allowed.begin(), allowed.end(), tensor.datatype) != allowed.end()) return tensor;
  std::string expected;
  for (const Datatype datatype : allowed) {
    expected.append(expected.empty() ? "" : " or ").append(name_of(datatype));
  }
  refuse(where, ": ", role, " is of ", name_of(tensor.datatype), ", expected ", expected);
}

std::vector<double> StageContext::numbers(const char* role,
                                          const std::vector<std::uint64_t>& shape) const {
  const Tensor& tensor = take(role, {Datatype::kF32, Datatype::kF64});
  check_shape(tensor, role, shape);
  std::vector<double> values = values_of(tensor);
  check_finite(values, file.precision(), where + ": " + role);
  return values;
}

std::vector<std::int64_t> StageContext::integers(const char* role, std::int64_t lowest,
                                                 std::int64_t highest) const {
  const Tensor& tensor = take(role, {Datatype::kI32, Datatype::kI64});
  check_shape(tensor, role, {tensor.size()});
  std::vector<std::int64_t> values(tensor.size());
  for (std::size_t index = 0; index < values.size(); ++index) {
    values[index] = tensor.integer(index);
    if (values[index] < lowest || values[index] > highest) {
      refuse(where, ": ", role, ": element ", index, " is ", values[index], ", expected ", lowest,
             " to ", highest);
    }
  }
  return values;
}

std::vector<std::size_t> StageContext::offsets(const char* role, std::size_t last) const {
  const std::vector<std::int64_t> values = integers(role, 0, static_cast<std::int64_t>(last));
  if (values.front() != 0 || values.back() != static_cast<std::int64_t>(last)) {
    refuse(where, ": ", role, " go from ", values.front(), " to ", values.back(),
           ", expected from 0 to ", last);
  }
  if (const auto fall = std::is_sorted_until(values.begin(), values.end()); fall != values.end()) {
    refuse(where, ": ", role, ": element ", fall - values.begin(), " is ", *fall,
           ", less than the one before it");
  }
  return {values.begin(), values.end()};
}

std::size_t StageContext::choice(const char* key, const std::vector<std::string>& choices) const {
  return parse_choice(json, key, choices, where + ": ");
}

void StageContext::check_shape(const Tensor& tensor, const char* role,
                               const std::vector<std::uint64_t>& expected) const {
  if (tensor.shape != expected) {
    refuse(where, ": ", role, " is ", shape_text(tensor.shape), ", expected ", shape_text(expected),
           ": a row has ", columns, " columns here");
  }
}

void StageContext::check_outputs(std::uint64_t outputs) const {
  if (outputs > kOutputsMax) {
    refuse(where, ": has ", outputs, " outputs, expected at most ", kOutputsMax);
  }
}

std::vector<double> values_of(const Tensor& tensor) {
  std::vector<double> values(tensor.size());
  for (std::size_t index = 0; index < values.size(); ++index) values[index] = tensor[index];
  return values;
}

const char* name_of(Precision precision) noexcept {
  return precision == Precision::kFp32 ? "fp32" : "fp64";
}

double rounded_to(Precision precision, double value) noexcept {
  return precision == Precision::kFp32 ? double{static_cast<float>(value)} : value;
}

bool all_finite(const std::vector<double>& values, Precision precision) noexcept {
  return std::all_of(values.begin(), values.end(), [precision](double value) {
    return std::isfinite(rounded_to(precision, value));
  });
}

void check_finite(const std::vector<double>& values, Precision precision,
                  const std::string& where) {
  for (std::size_t index = 0; index < values.size(); ++index) {
    if (!std::isfinite(rounded_to(precision, values[index]))) {
      refuse(where, ": element ", index, " is ", values[index], ", expected a finite ",
             name_of(precision), " number");
    }
  }
}

std::size_t parse_choice(const JsonObject& json, const char* key,
                         const std::vector<std::string>& choices, const std::string& where) {
  const std::string& text = json.text(key);
  const auto found = std::find(choices.begin(), choices.end(), text);
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  std::string expected;
  for (const std::string& choice : choices) {
    expected.append(expected.empty() ? "" : ", ").append(choice);
  }
  refuse(where, key, " is ", shown(text), ", expected one of ", expected);
}

}  // namespace thriftscore
