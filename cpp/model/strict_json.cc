// SPDX-License-Identifier: Apache-2.0
#include "model/strict_json.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "model/error.h"

namespace thriftscore {
namespace {

// Sees each value while the parser works, so that a hostile text is refused before it is stored.
class Guard {
 public:
  explicit Guard(std::string_view what) : what_(what) {}

  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    using Event = Json::parse_event_t;
    if (++values_ > kJsonValuesMax) refuse(what_, ": more than ", kJsonValuesMax, " JSON values");
    if (event == Event::object_start || event == Event::array_start) check_depth(depth);
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key) check_key(parsed.get_ref<const std::string&>());
    return true;
  }

 private:
  void check_depth(int depth) const {
    if (depth >= kJsonDepthMax) refuse(what_, ": JSON nested deeper than ", kJsonDepthMax);
  }

  void check_key(const std::string& key) {
    if (!keys_.back().insert(key).second) refuse(what_, ": key ", shown(key), " is given twice");
  }

  std::string_view what_;
  std::size_t values_ = 0;
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
};

}  // namespace

Json parse_strict_json(std::string_view text, std::string_view what) {
  // The library's own messages quote the text, which may be no UTF-8 and very long.
  try {
    Guard guard(what);
    return Json::parse(text, [&guard](int depth, Json::parse_event_t event, const Json& parsed) {
      return guard(depth, event, parsed);
    });
  } catch (const Json::parse_error& error) {
    refuse(what, ": no valid JSON at byte ", error.byte);
  } catch (const Json::exception&) {
    refuse(what, ": a number is out of range");
  }
}

JsonObject::JsonObject(const Json& value, std::string where)
    : value_(value), where_(std::move(where)) {
  if (!value.is_object()) refuse(where_, ": expected an object, got ", value.type_name());
}

void JsonObject::allow_only(std::initializer_list<std::string_view> known) const {
  for (const auto& [key, unused] : value_.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      refuse(where_, ": unknown key ", shown(key));
    }
  }
}

const std::string& JsonObject::text(const char* key) const {
  const Json& value = member(key);
  if (!value.is_string()) refuse(where_, ": ", key, ": expected text, got ", value.type_name());
  return value.get_ref<const std::string&>();
}

const Json& JsonObject::array(const char* key) const {
  const Json& value = member(key);
  if (!value.is_array()) refuse(where_, ": ", key, ": expected a list, got ", value.type_name());
  return value;
}

const Json& JsonObject::object(const char* key) const {
  const Json& value = member(key);
  if (!value.is_object())
    refuse(where_, ": ", key, ": expected an object, got ", value.type_name());
  return value;
}

double JsonObject::number(const char* key) const {
  const Json& value = member(key);
  if (!value.is_number()) refuse(where_, ": ", key, ": expected a number, got ", value.type_name());
  return value.get<double>();
}

std::uint64_t JsonObject::count(const char* key, std::uint64_t maximum) const {
  const Json& value = member(key);
  if (!value.is_number_unsigned()) {
    refuse(where_, ": ", key, ": expected a whole number from 0, got ", shown(value.dump()));
  }
  const auto number = value.get<std::uint64_t>();
  if (number > maximum) refuse(where_, ": ", key, " is ", number, ", expected at most ", maximum);
  return number;
}

const Json& JsonObject::member(const char* key) const {
  const auto found = value_.find(key);
  if (found == value_.end()) refuse(where_, ": key ", shown(key), " is missing");
  return *found;
}

}  // namespace thriftscore
