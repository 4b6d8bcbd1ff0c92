// SPDX-License-Identifier: Apache-2.0
// What must hold of any bytes that are taken for a model file.
#pragma once

#include <cstddef>
#include <span>

namespace thriftscore {

/// Whether `file` loads. What loads must score any rows within its memory, each as if it were
/// alone; otherwise the process ends.
bool check_model(std::span<const std::byte> file);

}  // namespace thriftscore
