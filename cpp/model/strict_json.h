// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace thriftscore {

using Json = nlohmann::json;

inline constexpr int kJsonDepthMax = 32;
inline constexpr std::size_t kJsonValuesMax = 1U << 18;

/// Parses `text`, which messages call `what`. Refused with a ModelError, beside what is no JSON:
/// a key given twice, nesting below kJsonDepthMax, more than kJsonValuesMax values, NaN and
/// infinite numbers, invalid UTF-8, anything behind the value.
Json parse_strict_json(std::string_view text, std::string_view what);

/// The members of an object, each asked for by name, type and bounds; a wrong one is refused with
/// a message that starts with `where` and names the key.
class JsonObject {
 public:
  /// Refuses a value that is no object. Keeps a reference to `value`.
  JsonObject(const Json& value, std::string where);

  /// Refuses keys that are not among `known`.
  void allow_only(std::initializer_list<std::string_view> known) const;

  bool has(const char* key) const { return value_.contains(key); }
  const std::string& text(const char* key) const;
  const Json& array(const char* key) const;
  const Json& object(const char* key) const;
  double number(const char* key) const;
  /// A whole number of 0 to `maximum`.
  std::uint64_t count(const char* key,
                      std::uint64_t maximum = std::numeric_limits<std::uint64_t>::max()) const;

 private:
  const Json& member(const char* key) const;

  const Json& value_;
  std::string where_;
};

}  // namespace thriftscore
