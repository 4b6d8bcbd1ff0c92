// SPDX-License-Identifier: Apache-2.0
// How a fuzz target reports that a property does not hold.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace thriftscore {

/// Ends the process with `what` and both sides if `left` is not `right`.
inline void require_equal(const char* what, const std::string& left, const std::string& right) {
  if (left == right) return;
  std::fprintf(stderr, "%s\n  %s\n  %s\n", what, left.c_str(), right.c_str());
  std::abort();
}

inline void require(const char* what, bool holds) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

}  // namespace thriftscore
