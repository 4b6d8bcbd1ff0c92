// SPDX-License-Identifier: Apache-2.0
#include "python/bindings.h"

PYBIND11_MODULE(_native, module) {
  module.doc() = "The compiled part of thriftscore. Private: use thriftscore.load and Model.";
  module.attr("version") = THRIFTSCORE_VERSION;
  thriftscore::python::bind_model(module);
  thriftscore::python::bind_kernels(module);
  thriftscore::python::bind_traffic(module);
  thriftscore::python::bind_server(module);
  thriftscore::python::bind_wire(module);
}
