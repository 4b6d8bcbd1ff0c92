// SPDX-License-Identifier: Apache-2.0
// Python objects, buffers and the GIL, each let go at the end of a scope.
#pragma once

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace thriftscore_client {

/// What the module needs of others, from its start to the end of the process.
struct Others {
  PyObject* frame_error = nullptr;
  PyObject* reply_error = nullptr;
  PyObject* invalid_request = nullptr;
  PyObject* ndarray = nullptr;
  PyObject* float32 = nullptr;
  PyObject* float64 = nullptr;
  PyObject* line_type = nullptr;  ///< of this module
};

/// Those of the module that made this object's type.
inline Others& others_of(PyObject* self) {
  return *static_cast<Others*>(PyType_GetModuleState(Py_TYPE(self)));
}

/// A Python object that is let go at the end.
struct Release {
  void operator()(PyObject* object) const { Py_DECREF(object); }
};
using Owned = std::unique_ptr<PyObject, Release>;

/// A view of an object's memory, ended at the end.
class View {
 public:
  View() = default;
  ~View() {
    if (is_open_) PyBuffer_Release(&buffer_);
  }
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  bool open(PyObject* object) {
    is_open_ = PyObject_GetBuffer(object, &buffer_, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) == 0;
    return is_open_;
  }
  const Py_buffer& buffer() const { return buffer_; }
  std::span<const char> bytes() const {
    return {static_cast<const char*>(buffer_.buf), static_cast<std::size_t>(buffer_.len)};
  }

 private:
  Py_buffer buffer_{};
  bool is_open_ = false;
};

/// The GIL is free from here to the end.
class FreeGil {
 public:
  FreeGil() : state_(PyEval_SaveThread()) {}
  ~FreeGil() {
    try {
      PyEval_RestoreThread(state_);
    } catch (...) {
      // The interpreter has ended, and ends this thread by unwinding it, which may let go of Python
      // objects no more: it stays here until the process is gone.
      while (true) ::pause();
    }
  }
  FreeGil(const FreeGil&) = delete;
  FreeGil& operator=(const FreeGil&) = delete;

 private:
  PyThreadState* state_;
};

/// The bytes of a bytes object; false with an exception for any other.
inline bool read_bytes(PyObject* object, std::string_view& bytes) {
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (PyBytes_AsStringAndSize(object, &data, &size) != 0) return false;
  bytes = {data, static_cast<std::size_t>(size)};
  return true;
}

/// A function as method tables have it.
template <typename Function>
PyCFunction method_of(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

/// A new object of a type, all zero; null with an exception.
inline PyObject* allocated(PyTypeObject* type) {
  return reinterpret_cast<allocfunc>(PyType_GetSlot(type, Py_tp_alloc))(type, 0);
}

/// Frees an object of a heap type once what it holds is let go.
inline void free_object(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

}  // namespace thriftscore_client
