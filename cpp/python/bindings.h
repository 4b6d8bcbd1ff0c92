// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pybind11/pybind11.h>

namespace thriftscore::python {

/// Model, ModelError, MissingValueError.
void bind_model(pybind11::module_& module);

/// simd_target, simd_targets, select_simd_target, and the submodule `kernels`.
void bind_kernels(pybind11::module_& module);

}  // namespace thriftscore::python
