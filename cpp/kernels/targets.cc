// SPDX-License-Identifier: Apache-2.0
#include "kernels/targets.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <type_traits>

#include "kernels/kernels.h"

namespace thriftscore::kernels {
namespace {

constexpr const char* kVariable = "THRIFTSCORE_SIMD";

const std::vector<const Target*>& targets() {
  static const std::vector<const Target*> all = [] {
    std::vector<const Target*> list = simd_targets();
    list.insert(list.begin(), &kScalarTarget);
    return list;
  }();
  return all;
}

const Target* find_target(std::string_view name) {
  const auto found = std::ranges::find(targets(), name, &Target::name);
  return found == targets().end() ? nullptr : *found;
}

std::string_view requested_target() {
  const char* value = std::getenv(kVariable);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

const Target* choose_target() {
  const Target* requested = find_target(requested_target());
  return requested != nullptr ? requested : targets().back();
}

std::atomic<const Target*>& selected_target() noexcept {
  static std::atomic<const Target*> selected = choose_target();
  return selected;
}

const Target& active_table() noexcept { return *selected_target().load(std::memory_order_relaxed); }

}  // namespace

template <typename T>
const Kernels<T>& active() noexcept {
  if constexpr (std::is_same_v<T, float>) {
    return active_table().float_kernels;
  } else {
    return active_table().double_kernels;
  }
}
template const Kernels<float>& active<float>() noexcept;
template const Kernels<double>& active<double>() noexcept;

std::string_view active_target() noexcept { return active_table().name; }

std::vector<std::string_view> available_targets() {
  std::vector<std::string_view> names;
  std::ranges::transform(targets(), std::back_inserter(names), &Target::name);
  return names;
}

bool select_target(std::string_view name) noexcept {
  const Target* target = find_target(name);
  if (target == nullptr) return false;
  selected_target().store(target, std::memory_order_relaxed);
  return true;
}

std::string target_error(std::string_view name) {
  if (find_target(name) != nullptr) return {};
  std::string message = "SIMD target '" + std::string(name) + "' is not available; expected one of";
  for (const std::string_view available : available_targets())
    message.append(" ").append(available);
  return message;
}

std::string target_error() {
  const std::string_view requested = requested_target();
  if (requested.empty()) return {};
  const std::string error = target_error(requested);
  return error.empty() ? error : std::string(kVariable) + ": " + error;
}

}  // namespace thriftscore::kernels
