// SPDX-License-Identifier: Apache-2.0
// Decodes the arguments of a call, in place.
#pragma once

#include "wire/call.h"
#include "wire/messages.h"

namespace thriftscore::wire {

/// Decodes `call.arguments`. All of them: bytes left over are refused. Fields of an unknown id, or
/// of another type than the contract says, are skipped; of a field that comes twice the last
/// counts. After a refusal `arguments` holds what was read until then and is not to be used.
///
/// Defined for NoArguments, Arguments<ScoreRequest | SparseScoreRequest | NormalizeRequest |
/// InferRequest>, ScoreValuesArguments and ScoreNamedArguments. Does not allocate, does not throw.
template <typename T>
Status decode_arguments(const Call& call, const Limits& limits, T& arguments) noexcept;

}  // namespace thriftscore::wire
