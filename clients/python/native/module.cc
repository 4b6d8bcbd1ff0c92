// SPDX-License-Identifier: Apache-2.0
// The Python face of the line: checks, releases the GIL once for a whole exchange, converts.
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <new>

#include "binary.h"
#include "line.h"
#include "messages.h"

namespace thriftscore_client {
namespace {

constexpr std::int16_t kMatrixField = 3;  // of ScoreRequest and NormalizeRequest
constexpr double kSecondsMax = 1e9;

/// What the module needs of others, from its start to the end of the process.
struct Others {
  PyObject* frame_error = nullptr;
  PyObject* reply_error = nullptr;
  PyObject* invalid_request = nullptr;
  PyObject* ndarray = nullptr;
  PyObject* float32 = nullptr;
  PyObject* float64 = nullptr;
};

struct LineObject {
  PyObject_HEAD Line* line;
  std::size_t frame_bytes_max;
  bool is_forgotten;
};

Others& others_of(PyObject* line) {
  return *static_cast<Others*>(PyType_GetModuleState(Py_TYPE(line)));
}

LineObject& object_of(PyObject* self) { return *reinterpret_cast<LineObject*>(self); }

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
    is_open_ = PyObject_GetBuffer(object, &buffer_, PyBUF_C_CONTIGUOUS) == 0;
    return is_open_;
  }
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
  ~FreeGil() { PyEval_RestoreThread(state_); }
  FreeGil(const FreeGil&) = delete;
  FreeGil& operator=(const FreeGil&) = delete;

 private:
  PyThreadState* state_;
};

bool read_bytes(PyObject* object, std::string_view& bytes) {
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (PyBytes_AsStringAndSize(object, &data, &size) != 0) return false;
  bytes = {data, static_cast<std::size_t>(size)};
  return true;
}

// ---- errors ---------------------------------------------------------------------------------

PyObject* raise_head(const Others& others, const Failure& failure) {
  const Owned method(PyUnicode_DecodeUTF8(failure.method.data(),
                                          static_cast<Py_ssize_t>(failure.method.size()), nullptr));
  if (!method) {
    PyErr_Clear();
    PyErr_SetString(others.reply_error, "the reply cannot be decoded: its method is not UTF-8");
  } else if (failure.kind == Failure::Kind::kUnexpected) {
    PyErr_Format(others.reply_error, "the reply is to call %d of %A, which nobody waits for",
                 failure.number, method.get());
  } else {
    PyErr_Format(others.reply_error, "the reply is to call %d of %A, expected call %d of %s",
                 failure.number, method.get(), failure.number, failure.expected.c_str());
  }
  return nullptr;
}

PyObject* raise(const LineObject& self, const Others& others, const Failure& failure) {
  switch (failure.kind) {
    case Failure::Kind::kSystem:
      errno = failure.error;
      return PyErr_SetFromErrno(PyExc_OSError);
    case Failure::Kind::kEnded:
      PyErr_SetString(PyExc_ConnectionResetError, "the server closed the connection");
      return nullptr;
    case Failure::Kind::kBadFrame:
      return PyErr_Format(others.frame_error, "a frame of %d bytes came, expected 1 to %zu",
                          failure.number, self.frame_bytes_max);
    case Failure::Kind::kNoBinary:
      PyErr_SetString(others.reply_error,
                      "the reply cannot be decoded: it is not of the binary protocol");
      return nullptr;
    case Failure::Kind::kShortHead:
      return PyErr_Format(others.reply_error,
                          "the reply cannot be decoded: its %d bytes end in its head",
                          failure.number);
    case Failure::Kind::kUnexpected:
    case Failure::Kind::kMixedUp:
      return raise_head(others, failure);
    default:
      PyErr_SetString(PyExc_ConnectionAbortedError, failure.text.c_str());
      return nullptr;
  }
}

// ---- one exchange ---------------------------------------------------------------------------

/// The arguments of `call` and of `score`.
struct Asked {
  CallParts parts{};
  View payload{};
  double seconds = 0;
  long number = 0;  ///< the payload's field, or the rows that are expected
};

bool read_context(PyObject* const* arguments, CallParts& parts) {
  parts.has_context = arguments[0] != Py_None;
  return !parts.has_context ||
         (read_bytes(arguments[0], parts.request_id) && read_bytes(arguments[1], parts.rest));
}

bool read_payload(PyObject* object, Asked& asked) {
  asked.parts.has_payload = object != Py_None;
  if (!asked.parts.has_payload) return true;
  if (!asked.payload.open(object)) return false;
  asked.parts.payload = asked.payload.bytes();
  return true;
}

bool read_asked(PyObject* const* arguments, Py_ssize_t count, Asked& asked) {
  if (count != 7) {
    PyErr_Format(PyExc_TypeError, "expected 7 arguments, received %zd", count);
    return false;
  }
  CallParts& parts = asked.parts;
  if (!read_bytes(arguments[0], parts.method) || !read_bytes(arguments[1], parts.arguments) ||
      !read_context(arguments + 2, parts) || !read_payload(arguments[4], asked)) {
    return false;
  }
  asked.number = PyLong_AsLong(arguments[5]);
  asked.seconds = PyFloat_AsDouble(arguments[6]);
  return PyErr_Occurred() == nullptr;
}

bool is_sendable(const LineObject& self, const Others& others, const Message& message,
                 std::string_view method) {
  const std::size_t length = message_bytes(message);
  if (length <= self.frame_bytes_max) return true;
  const std::string name(method);
  PyErr_Format(others.invalid_request, "%s: the message has %zu bytes, frame_bytes_max is %zu",
               name.c_str(), length, self.frame_bytes_max);
  return false;
}

/// Waits, looking at signals where the wait was interrupted. False with an exception.
bool wait(Line& line, Exchange& exchange, Line::Waited waited, Deadline deadline) {
  line.wake_next(exchange);
  while (waited == Line::Waited::kInterrupted) {
    if (PyErr_CheckSignals() != 0) {
      line.abandon(exchange);
      return false;
    }
    {
      const FreeGil free;
      waited = line.wait(exchange, deadline);
    }
    line.wake_next(exchange);
  }
  if (waited == Line::Waited::kTimedOut) {
    line.abandon(exchange);
    PyErr_SetNone(PyExc_TimeoutError);
    return false;
  }
  return true;
}

/// Sends and waits for the reply; false with an exception.
bool run(LineObject& self, const Others& others, const Asked& asked, Exchange& exchange) {
  Line& line = *self.line;
  const double seconds = std::min(asked.seconds, kSecondsMax);
  const Deadline deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                               std::chrono::duration<double>(seconds));
  const double milliseconds = std::clamp(seconds * 1000, 1.0, 2147483647.0);
  Message message = encode(asked.parts, exchange.sequence, static_cast<std::int32_t>(milliseconds));
  if (!is_sendable(self, others, message, asked.parts.method)) return false;
  Line::Waited waited = Line::Waited::kSettled;
  {
    const FreeGil free;
    line.start(exchange, std::move(message), deadline);
    waited = line.wait(exchange, deadline);
  }
  if (!wait(line, exchange, waited, deadline)) return false;
  if (exchange.failure.kind == Failure::Kind::kNone) return true;
  raise(self, others, exchange.failure);
  return false;
}

PyObject* message_of(const Exchange& exchange) {
  return PyBytes_FromStringAndSize(exchange.reply.data.get(),
                                   static_cast<Py_ssize_t>(exchange.reply.size));
}

PyObject* bytes_of(std::string_view bytes) {
  return PyBytes_FromStringAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size()));
}

/// The matrix and the version, or the whole message where Python should look at it.
PyObject* converted(const Others& others, const Exchange& exchange, const Asked& asked) {
  const auto content = exchange.reply.bytes().subspan(exchange.start);
  const auto reply = exchange.type == kReply ? read_matrix(content, asked.number) : std::nullopt;
  if (!reply || reply->request_id != asked.parts.request_id) return message_of(exchange);
  PyObject* version = PyUnicode_DecodeUTF8(
      reply->model_version.data(), static_cast<Py_ssize_t>(reply->model_version.size()), nullptr);
  if (version == nullptr) {
    PyErr_Clear();
    return message_of(exchange);
  }
  const Owned owned_version(version);
  const Owned values(bytes_of(reply->values));
  const Owned shape(Py_BuildValue("Li", static_cast<long long>(reply->rows), reply->columns));
  if (!values || !shape) return nullptr;
  PyObject* type = reply->is_double() ? others.float64 : others.float32;
  const Owned matrix(
      PyObject_CallFunctionObjArgs(others.ndarray, shape.get(), type, values.get(), nullptr));
  return matrix ? PyTuple_Pack(2, matrix.get(), version) : nullptr;
}

template <typename Convert>
PyObject* exchanged(PyObject* self, Asked& asked, Convert convert) {
  LineObject& object = object_of(self);
  const Others& others = others_of(self);
  Exchange exchange{.method = asked.parts.method, .sequence = object.line->next_number()};
  try {
    if (!run(object, others, asked, exchange)) return nullptr;
    return convert(others, exchange);
  } catch (const std::bad_alloc&) {
    object.line->abandon(exchange);
    return PyErr_NoMemory();
  }
}

// ---- methods --------------------------------------------------------------------------------

PyObject* line_call(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  Asked asked;
  if (!read_asked(arguments, count, asked)) return nullptr;
  asked.parts.payload_field = static_cast<std::int16_t>(asked.number);
  return exchanged(self, asked,
                   [](const Others&, const Exchange& exchange) { return message_of(exchange); });
}

PyObject* line_score(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  Asked asked;
  if (!read_asked(arguments, count, asked)) return nullptr;
  asked.parts.payload_field = kMatrixField;
  return exchanged(self, asked, [&asked](const Others& others, const Exchange& exchange) {
    return converted(others, exchange, asked);
  });
}

PyObject* line_close(PyObject* self, PyObject* reason) {
  const Owned text(PyUnicode_AsUTF8String(reason));
  std::string_view bytes;
  if (!text || !read_bytes(text.get(), bytes)) return nullptr;
  object_of(self).line->close({.kind = Failure::Kind::kAborted, .text = std::string(bytes)});
  Py_RETURN_NONE;
}

PyObject* line_forget(PyObject* self, PyObject*) {
  object_of(self).line->forget();
  object_of(self).is_forgotten = true;
  Py_RETURN_NONE;
}

PyObject* line_is_quiet(PyObject* self, PyObject*) {
  return PyBool_FromLong(object_of(self).line->is_quiet() ? 1 : 0);
}

PyObject* line_takes_calls(PyObject* self, void*) {
  return PyBool_FromLong(object_of(self).line->takes_calls() ? 1 : 0);
}

PyObject* line_new(PyTypeObject* type, PyObject* arguments, PyObject*) {
  int descriptor = -1;
  Py_ssize_t frame_bytes_max = 0;
  if (PyArg_ParseTuple(arguments, "in", &descriptor, &frame_bytes_max) == 0) return nullptr;
  const auto allocate = reinterpret_cast<allocfunc>(PyType_GetSlot(type, Py_tp_alloc));
  PyObject* self = allocate(type, 0);
  if (self == nullptr) return nullptr;
  const auto bytes_max = static_cast<std::size_t>(frame_bytes_max);
  object_of(self).frame_bytes_max = bytes_max;
  object_of(self).line = new (std::nothrow) Line(descriptor, bytes_max);
  if (object_of(self).line != nullptr) return self;
  Py_DECREF(self);
  return PyErr_NoMemory();
}

void line_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  // Not deleted in a forked child: threads that are not here may hold its locks.
  if (!object_of(self).is_forgotten) delete object_of(self).line;
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

template <typename Function>
PyCFunction method_of(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef line_methods[] = {
    {"call", method_of(line_call), METH_FASTCALL, nullptr},
    {"score", method_of(line_score), METH_FASTCALL, nullptr},
    {"close", line_close, METH_O, nullptr},
    {"forget", line_forget, METH_NOARGS, nullptr},
    {"is_quiet", line_is_quiet, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef line_properties[] = {
    {"takes_calls", line_takes_calls, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot line_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(line_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(line_dealloc)},
    {Py_tp_methods, line_methods},
    {Py_tp_getset, line_properties},
    {0, nullptr},
};

PyType_Spec line_spec{"thriftscore_client._fast.Line", sizeof(LineObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, line_slots};

// ---- the module -----------------------------------------------------------------------------

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
  const Owned type(PyType_FromModuleAndSpec(module, &line_spec, nullptr));
  return type ? PyModule_AddObjectRef(module, "Line", type.get()) : -1;
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

PyMODINIT_FUNC PyInit__fast() { return PyModuleDef_Init(&thriftscore_client::module_definition); }
