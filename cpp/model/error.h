// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace thriftscore {

/// A model was refused at load. The message names the thing, what was expected and what was found,
/// in printable ASCII, whatever bytes the file holds.
class ModelError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws ModelError with the parts joined.
template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  std::ostringstream message;
  message.precision(9);
  (message << ... << parts);
  throw ModelError(message.str());
}

/// `text` from a file, as it may stand in a message: quoted, escaped to ASCII, cut at 64 bytes.
std::string shown(std::string_view text);

}  // namespace thriftscore
