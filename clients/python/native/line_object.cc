// SPDX-License-Identifier: Apache-2.0
#include "line_object.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <new>
#include <utility>

#include "binary.h"

namespace thriftscore_client {
namespace {

constexpr std::int16_t kMatrixField = 3;  // of ScoreRequest and NormalizeRequest
constexpr double kSecondsMax = 1e9;

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

bool is_sendable(const LineObject& self, const Others& others, const Message& message,
                 std::string_view method) {
  const std::size_t length = message_bytes(message);
  if (length <= self.frame_bytes_max) return true;
  const std::string name(method);
  PyErr_Format(others.invalid_request, "%s: the message has %zu bytes, frame_bytes_max is %zu",
               name.c_str(), length, self.frame_bytes_max);
  return false;
}

void wake_next(Line& line, Exchange& exchange) {
  if (line.wake_next(exchange)) return;
  const FreeGil free;
  line.send_rest();
}

void abandon(Line& line, Exchange& exchange) {
  if (line.abandon(exchange)) return;
  const FreeGil free;
  line.send_rest();
}

/// Waits, looking at signals where the wait was interrupted. False with an exception.
bool wait(Line& line, Exchange& exchange, Line::Waited waited, Deadline deadline) {
  wake_next(line, exchange);
  while (waited == Line::Waited::kInterrupted) {
    if (PyErr_CheckSignals() != 0) {
      abandon(line, exchange);
      return false;
    }
    {
      const FreeGil free;
      waited = line.wait(exchange, deadline);
    }
    wake_next(line, exchange);
  }
  if (waited == Line::Waited::kTimedOut) {
    abandon(line, exchange);
    PyErr_SetNone(PyExc_TimeoutError);
    return false;
  }
  return true;
}

PyObject* bytes_of(std::string_view bytes) {
  return PyBytes_FromStringAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size()));
}

/// May throw std::bad_alloc.
bool send_and_wait(const LineObject& self, const Others& others, const Asked& asked,
                   Exchange& exchange) {
  Line& line = *self.line;
  const double seconds = std::min(asked.seconds, kSecondsMax);
  const Deadline deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                               std::chrono::duration<double>(seconds));
  const double milliseconds = std::clamp(seconds * 1000, 1.0, 2147483647.0);
  const Message message =
      encode(asked.parts, exchange.sequence, static_cast<std::int32_t>(milliseconds));
  if (!is_sendable(self, others, message, asked.parts.method)) return false;
  Line::Waited waited = Line::Waited::kSettled;
  {
    const FreeGil free;
    line.start(exchange, message, deadline);
    waited = line.wait(exchange, deadline);
  }
  if (!wait(line, exchange, waited, deadline)) return false;
  if (exchange.failure.kind == Failure::Kind::kNone) return true;
  raise(self, others, exchange.failure);
  return false;
}

}  // namespace

bool run(const LineObject& self, const Others& others, const Asked& asked, Exchange& exchange) {
  try {
    return send_and_wait(self, others, asked, exchange);
  } catch (const std::bad_alloc&) {
    abandon(*self.line, exchange);
    PyErr_NoMemory();
    return false;
  }
}

PyObject* message_of(const Exchange& exchange) {
  return PyBytes_FromStringAndSize(exchange.reply.data.get(),
                                   static_cast<Py_ssize_t>(exchange.reply.size));
}

bool read_scored(const Others& others, const Exchange& exchange, const Asked& asked,
                 Scored& scored) {
  const auto content = exchange.reply.bytes().subspan(exchange.start);
  const auto reply = exchange.type == kReply ? read_matrix(content, asked.rows) : std::nullopt;
  if (!reply || reply->request_id != asked.parts.request_id) return true;
  Owned version(PyUnicode_DecodeUTF8(
      reply->model_version.data(), static_cast<Py_ssize_t>(reply->model_version.size()), nullptr));
  if (!version) {
    PyErr_Clear();
    return true;
  }
  const Owned values(bytes_of(reply->values));
  const Owned shape(Py_BuildValue("Li", static_cast<long long>(reply->rows), reply->columns));
  if (!values || !shape) return false;
  PyObject* type = reply->is_double() ? others.float64 : others.float32;
  scored.matrix.reset(
      PyObject_CallFunctionObjArgs(others.ndarray, shape.get(), type, values.get(), nullptr));
  scored.version = std::move(version);
  return scored.matrix != nullptr;
}

namespace {

// ---- methods --------------------------------------------------------------------------------

/// The arguments of `call` and of `score`.
struct Arguments {
  Asked asked{};
  View payload{};
  long number = 0;  ///< the payload's field, or the rows that are expected
};

bool read_context(PyObject* const* arguments, CallParts& parts) {
  parts.has_context = arguments[0] != Py_None;
  return !parts.has_context ||
         (read_bytes(arguments[0], parts.request_id) && read_bytes(arguments[1], parts.rest));
}

bool read_payload(PyObject* object, CallParts& parts, View& payload) {
  parts.has_payload = object != Py_None;
  if (!parts.has_payload) return true;
  if (!payload.open(object)) return false;
  parts.payload = payload.bytes();
  return true;
}

bool read_arguments(PyObject* const* arguments, Py_ssize_t count, Arguments& read) {
  if (count != 7) {
    PyErr_Format(PyExc_TypeError, "expected 7 arguments, received %zd", count);
    return false;
  }
  CallParts& parts = read.asked.parts;
  if (!read_bytes(arguments[0], parts.method) || !read_bytes(arguments[1], parts.arguments) ||
      !read_context(arguments + 2, parts) || !read_payload(arguments[4], parts, read.payload)) {
    return false;
  }
  read.number = PyLong_AsLong(arguments[5]);
  read.asked.seconds = PyFloat_AsDouble(arguments[6]);
  return PyErr_Occurred() == nullptr;
}

template <typename Convert>
PyObject* exchanged(PyObject* self, const Asked& asked, Convert convert) {
  const LineObject& object = line_object_of(self);
  const Others& others = others_of(self);
  Exchange exchange{.method = asked.parts.method, .sequence = object.line->next_number()};
  return run(object, others, asked, exchange) ? convert(others, exchange) : nullptr;
}

PyObject* line_call(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  Arguments read;
  if (!read_arguments(arguments, count, read)) return nullptr;
  read.asked.parts.payload_field = static_cast<std::int16_t>(read.number);
  return exchanged(self, read.asked,
                   [](const Others&, const Exchange& exchange) { return message_of(exchange); });
}

/// The matrix and the version, or the whole message where Python should look at it.
PyObject* line_score(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  Arguments read;
  if (!read_arguments(arguments, count, read)) return nullptr;
  read.asked.parts.payload_field = kMatrixField;
  read.asked.rows = read.number;
  return exchanged(self, read.asked,
                   [&read](const Others& others, const Exchange& exchange) -> PyObject* {
                     Scored scored;
                     if (!read_scored(others, exchange, read.asked, scored)) return nullptr;
                     if (!scored.matrix) return message_of(exchange);
                     return PyTuple_Pack(2, scored.matrix.get(), scored.version.get());
                   });
}

PyObject* line_close(PyObject* self, PyObject* reason) {
  const Owned text(PyUnicode_AsUTF8String(reason));
  std::string_view bytes;
  if (!text || !read_bytes(text.get(), bytes)) return nullptr;
  line_object_of(self).line->close({.kind = Failure::Kind::kAborted, .text = std::string(bytes)});
  Py_RETURN_NONE;
}

PyObject* line_forget(PyObject* self, PyObject* /*none*/) {
  line_object_of(self).line->forget();
  line_object_of(self).is_forgotten = true;
  Py_RETURN_NONE;
}

PyObject* line_is_quiet(PyObject* self, PyObject* /*none*/) {
  return PyBool_FromLong(line_object_of(self).line->is_quiet() ? 1 : 0);
}

PyObject* line_takes_calls(PyObject* self, void* /*closure*/) {
  return PyBool_FromLong(line_object_of(self).line->takes_calls() ? 1 : 0);
}

PyObject* line_begin(PyObject* self, PyObject* /*none*/) {
  ++line_object_of(self).calls;
  Py_RETURN_NONE;
}

PyObject* line_end(PyObject* self, PyObject* /*none*/) {
  return PyLong_FromLong(--line_object_of(self).calls);
}

PyObject* line_new(PyTypeObject* type, PyObject* arguments, PyObject* /*named*/) {
  int descriptor = -1;
  Py_ssize_t frame_bytes_max = 0;
  if (PyArg_ParseTuple(arguments, "in", &descriptor, &frame_bytes_max) == 0) return nullptr;
  PyObject* self = allocated(type);
  if (self == nullptr) return nullptr;
  const auto bytes_max = static_cast<std::size_t>(frame_bytes_max);
  line_object_of(self).frame_bytes_max = bytes_max;
  line_object_of(self).line = new (std::nothrow) Line(descriptor, bytes_max);
  if (line_object_of(self).line != nullptr) return self;
  Py_DECREF(self);
  return PyErr_NoMemory();
}

void line_dealloc(PyObject* self) {
  // Not deleted in a forked child: threads that are not here may hold its locks.
  if (!line_object_of(self).is_forgotten) delete line_object_of(self).line;
  free_object(self);
}

PyMethodDef line_methods[] = {
    {"call", method_of(line_call), METH_FASTCALL, nullptr},
    {"score", method_of(line_score), METH_FASTCALL, nullptr},
    {"begin", line_begin, METH_NOARGS, nullptr},
    {"end", line_end, METH_NOARGS, nullptr},
    {"close", line_close, METH_O, nullptr},
    {"forget", line_forget, METH_NOARGS, nullptr},
    {"is_quiet", line_is_quiet, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef line_members[] = {
    {"calls", T_INT, offsetof(LineObject, calls), READONLY, nullptr},
    {"idle_since", T_DOUBLE, offsetof(LineObject, idle_since), 0, nullptr},
    {"ends_at", T_DOUBLE, offsetof(LineObject, ends_at), 0, nullptr},
    {"is_leaving", T_BOOL, offsetof(LineObject, is_leaving), 0, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyGetSetDef line_properties[] = {
    {"takes_calls", line_takes_calls, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot line_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(line_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(line_dealloc)},
    {Py_tp_methods, line_methods},
    {Py_tp_members, line_members},
    {Py_tp_getset, line_properties},
    {0, nullptr},
};

PyType_Spec line_spec{"thriftscore_client._fast.Line", sizeof(LineObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, line_slots};

}  // namespace

bool add_line_type(PyObject* module) {
  PyObject* type = PyType_FromModuleAndSpec(module, &line_spec, nullptr);
  static_cast<Others*>(PyModule_GetState(module))->line_type = type;
  return type != nullptr && PyModule_AddObjectRef(module, "Line", type) == 0;
}

}  // namespace thriftscore_client
