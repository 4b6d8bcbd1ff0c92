// SPDX-License-Identifier: Apache-2.0
#include "model/error.h"

#include <nlohmann/json.hpp>

namespace thriftscore {

std::string shown(std::string_view text) {
  using Json = nlohmann::json;
  constexpr std::size_t kShownBytes = 64;
  const std::string escaped =
      Json(text.substr(0, kShownBytes)).dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() > kShownBytes ? escaped + "..." : escaped;
}

}  // namespace thriftscore
