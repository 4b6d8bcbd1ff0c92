// SPDX-License-Identifier: Apache-2.0
// The whole of a usual call at once; see express.py.
#pragma once

#include "python.h"

namespace thriftscore_client {

/// Adds the type `Express` to the module; false with an exception.
bool add_express_type(PyObject* module);

}  // namespace thriftscore_client
