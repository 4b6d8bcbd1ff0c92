// SPDX-License-Identifier: Apache-2.0
// Lists and maps of a decoded message, in place. They were checked when the message was decoded,
// so reading them cannot fail; the message's bytes must outlive them.
#pragma once

#include <array>
#include <cstddef>
#include <iterator>
#include <span>
#include <utility>

#include "wire/types.h"

namespace thriftscore::wire {

/// The elements behind a view. For read_value() and the views' iterators.
struct Elements {
  Protocol protocol = Protocol::kBinary;
  std::uint32_t count = 0;
  Bytes bytes;  // exactly `count` well-formed elements, or keys and values in turn
};

/// Takes the first T off `elements`. Defined for every T in a view of messages.h.
template <typename T>
T take_element(Elements& elements) noexcept;

/// Single pass over the elements, decoding each when it is reached.
template <typename T>
class ElementIterator {
 public:
  using value_type = T;
  using difference_type = std::ptrdiff_t;

  ElementIterator() = default;
  explicit ElementIterator(const Elements& elements) noexcept : rest_(elements) { advance(); }

  const T& operator*() const noexcept { return value_; }
  const T* operator->() const noexcept { return &value_; }
  ElementIterator& operator++() noexcept {
    advance();
    return *this;
  }
  void operator++(int) noexcept { advance(); }
  bool operator==(std::default_sentinel_t /*end*/) const noexcept { return done_; }

 private:
  void advance() noexcept {
    done_ = rest_.count == 0;
    if (done_) return;
    --rest_.count;
    value_ = take_element<T>(rest_);
  }

  Elements rest_;
  bool done_ = true;
  T value_{};
};

/// A list of T: `for (const T& element : list)`.
template <typename T>
class ListView {
 public:
  using value_type = T;

  ListView() = default;
  explicit ListView(const Elements& elements) noexcept : elements_(elements) {}

  [[nodiscard]] std::size_t size() const noexcept { return elements_.count; }
  [[nodiscard]] bool empty() const noexcept { return elements_.count == 0; }
  [[nodiscard]] ElementIterator<T> begin() const noexcept { return ElementIterator<T>(elements_); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend void copy_to(const ListView<double>& list, double* values) noexcept;

  Elements elements_;
};

/// Writes the list.size() elements to `values`, at vector speed.
void copy_to(const ListView<double>& list, double* values) noexcept;

/// A map from K to V: `for (const auto& [key, value] : map)`. Keys come as they were sent:
/// where one comes twice, the last counts.
template <typename K, typename V>
class MapView : public ListView<std::pair<K, V>> {
 public:
  using ListView<std::pair<K, V>>::ListView;
};

/// The extents of a tensor, outermost first.
struct Shape {
  std::array<std::int64_t, kRankCapacity> extents{};
  std::size_t rank = 0;

  [[nodiscard]] std::span<const std::int64_t> view() const noexcept {
    return {extents.data(), rank};
  }
};

}  // namespace thriftscore::wire
