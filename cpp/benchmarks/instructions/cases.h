// SPDX-License-Identifier: Apache-2.0
// What is counted.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace thriftscore::benchmarks {

/// Something that takes the same instructions every time it runs, once it is warm.
struct Case {
  std::string name;
  std::size_t operations;  ///< in a run; what is reported is for one of them
  std::function<void()> run;
};

/// A request each, from the bytes of a read to the bytes of a write. Throws std::runtime_error if
/// one is not answered with a result.
std::vector<Case> request_cases();

/// A call each of the active target's kernels, or of a model that consists of one of them.
std::vector<Case> kernel_cases();

}  // namespace thriftscore::benchmarks
