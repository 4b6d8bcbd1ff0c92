// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pybind11/pybind11.h>

namespace thriftscore::python {

/// Model, ModelError, MissingValueError.
void bind_model(pybind11::module_& module);

/// simd_target, simd_targets, select_simd_target, and the submodule `kernels`.
void bind_kernels(pybind11::module_& module);

/// Server, Publisher, PendingCall: the native server.
void bind_server(pybind11::module_& module);

/// Split, ShadowScorer, Comparison: who gets the requests that name no version.
void bind_traffic(pybind11::module_& module);

/// The submodule `wire`: the Thrift codec, for tests.
void bind_wire(pybind11::module_& module);

}  // namespace thriftscore::python
