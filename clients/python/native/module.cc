// SPDX-License-Identifier: Apache-2.0
// The Python module: its types, and what it takes from others.
#include "express.h"
#include "line_object.h"
#include "python.h"

namespace thriftscore_client {
namespace {

PyObject* imported(const char* module, const char* name) {
  const Owned found(PyImport_ImportModule(module));
  return found ? PyObject_GetAttrString(found.get(), name) : nullptr;
}

PyObject* dtype(const char* name) {
  const Owned type(imported("numpy", "dtype"));
  return type ? PyObject_CallFunction(type.get(), "s", name) : nullptr;
}

int module_execute(PyObject* module) {
  auto& others = *static_cast<Others*>(PyModule_GetState(module));
  others.frame_error = imported("thriftscore_client.framing", "FrameError");
  others.reply_error = imported("thriftscore_client.codec", "ReplyError");
  others.invalid_request = imported("thriftscore_client.errors", "InvalidRequest");
  others.ndarray = imported("numpy", "ndarray");
  others.float32 = dtype("<f4");
  others.float64 = dtype("<f8");
  if (PyErr_Occurred() != nullptr) return -1;
  return add_line_type(module) && add_express_type(module) ? 0 : -1;
}

PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, reinterpret_cast<void*>(module_execute)},
    {0, nullptr},
};

PyModuleDef module_definition{
    PyModuleDef_HEAD_INIT, "_fast", nullptr, sizeof(Others), nullptr,
    module_slots,          nullptr, nullptr, nullptr,
};

}  // namespace
}  // namespace thriftscore_client

// NOLINTNEXTLINE(bugprone-reserved-identifier,readability-identifier-naming): Python's name
PyMODINIT_FUNC PyInit__fast() { return PyModuleDef_Init(&thriftscore_client::module_definition); }
