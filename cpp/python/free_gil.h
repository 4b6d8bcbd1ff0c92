// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <Python.h>
#include <unistd.h>

namespace thriftscore::python {

/// The GIL is free from here to the end of the scope.
///
/// As pybind11::gil_scoped_release, but a daemon thread that comes back after the interpreter has
/// ended does not abort the process. The interpreter ends such a thread by unwinding it, which a
/// destructor may not be left by, and which would let go of Python objects that are no more: here
/// it waits until the process is gone.
class FreeGil {
 public:
  FreeGil() : state_(PyEval_SaveThread()) {}
  ~FreeGil() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {
      while (true) ::pause();
    }
  }
  FreeGil(const FreeGil&) = delete;
  FreeGil& operator=(const FreeGil&) = delete;

 private:
  PyThreadState* state_;
};

}  // namespace thriftscore::python
