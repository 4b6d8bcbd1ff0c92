// SPDX-License-Identifier: Apache-2.0
// Input: a model file.
#include <cstddef>
#include <cstdint>

#include "fuzz/model_oracle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  thriftscore::check_model({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
