// SPDX-License-Identifier: Apache-2.0
// Encodes decoded calls again, in either protocol.
#pragma once

#include <optional>

#include "tests/wire/samples.h"

namespace thriftscore::wire {

/// The call in `message`, encoded in `target`; nothing where it is refused or its method has no
/// decoder. Unknown fields are lost.
std::optional<Buffer> transcode(Protocol protocol, Bytes message, Protocol target);

}  // namespace thriftscore::wire
