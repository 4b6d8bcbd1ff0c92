// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/description.h"

namespace thriftscore {

/// MurmurHash3_x86_32 (Austin Appleby, 2011).
std::uint32_t murmur3_32(std::string_view text, std::uint32_t seed) noexcept;

/// Where the value of a feature is added, and with which sign.
struct HashedFeature {
  std::size_t column;
  double sign;
};

/// Of `columns` > 0. The column is |h| modulo `columns` and the sign that of h, the hash of the
/// name's UTF-8 with seed 0 as a signed number: what scikit-learn's FeatureHasher does.
HashedFeature hashed_feature(std::string_view name, std::size_t columns,
                             const FeatureHashing& hashing) noexcept;

}  // namespace thriftscore
