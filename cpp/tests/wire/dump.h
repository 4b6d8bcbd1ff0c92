// SPDX-License-Identifier: Apache-2.0
// Messages as text, for comparing decodings with each other and with what is expected.
#pragma once

#include <string>

#include "wire/framer.h"

namespace thriftscore::wire {

/// The call in `message` with its arguments, such as
///   score#7{request={model_name="m" model_version="" features=0000803f datatype=11}}
/// or "!truncated" if it is refused. Doubles are their 64 bits in hexadecimal. Methods that have
/// no decoder are checked only, and have no arguments in the text.
std::string dump_message(Protocol protocol, Bytes message, const Limits& limits);

/// "framed binary score#7{...}", "reject http" or "need 4".
std::string dump_outcome(const Outcome& outcome, const Limits& limits);

}  // namespace thriftscore::wire
