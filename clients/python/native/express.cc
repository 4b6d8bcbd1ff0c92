// SPDX-License-Identifier: Apache-2.0
#include "express.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "line_object.h"

namespace thriftscore_client {
namespace {

constexpr std::string_view kMethod = "score";
constexpr std::int16_t kFeaturesField = 3;         // of ScoreRequest
constexpr std::size_t kFeaturesBytesMax = 16'384;  // more is copied less often the long way
constexpr std::size_t kNumberDigits = 20;

/// The connection that calls go over, and what tells whether they still may.
struct Lane {
  Owned self;  ///< the Python object, for who must go on with a call
  Owned line;
  Owned connection;
  Owned pool;
  Owned balancer;
  Owned members;
  double until;
};

/// What the arguments of calls begin with: they differ by model, columns and type alone.
struct Start {
  Owned model;
  Py_ssize_t columns = 0;
  bool is_double = false;
  Owned bytes;
};

struct Express {
  Owned make;   ///< (matrix, version, request id) to a result
  Owned start;  ///< (model, columns, is double) to the start of arguments, as bytes
  Owned earn;   ///< told of each call
  Owned trace;  ///< the traceparent or None; null where there never is one
  Owned waiting_name;
  Owned members_name;
  Owned give_back_name;
  std::string prefix;
  std::string rest;
  double seconds = 0;
  int calls_max = 0;
  std::uint64_t number = 0;
  Start last{};
  std::shared_ptr<const Lane> lane{};
};

struct ExpressObject {
  PyObject_HEAD Express* express;
};

Express& express_of(PyObject* self) { return *reinterpret_cast<ExpressObject*>(self)->express; }

double now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

/// One call on its way.
struct Journey {
  std::shared_ptr<const Lane> lane;
  Asked asked{};
  View features{};
  Py_ssize_t columns = 0;
  bool is_double = false;
  Owned arguments{};
  std::string request_id{};
  double begun = 0;
};

// ---- may it go this way? --------------------------------------------------------------------

/// False for what is not plainly a small matrix; there is no exception then.
bool read_features(const Others& others, PyObject* object, Journey& journey) {
  if (reinterpret_cast<PyObject*>(Py_TYPE(object)) != others.ndarray) return false;
  if (!journey.features.open(object)) {
    PyErr_Clear();
    return false;
  }
  const Py_buffer& buffer = journey.features.buffer();
  const std::string_view format(buffer.format == nullptr ? "" : buffer.format);
  if ((format != "f" && format != "d") || buffer.ndim != 2 || buffer.len <= 0) return false;
  if (static_cast<std::size_t>(buffer.len) > kFeaturesBytesMax) return false;
  journey.asked.rows = buffer.shape[0];
  journey.columns = buffer.shape[1];
  journey.is_double = format == "d";
  return true;
}

/// 1 where the caller's span is to be told of, 0 where there is none, -1 with an exception.
int is_traced(const Express& express) {
  if (!express.trace) return 0;
  const Owned found(PyObject_CallNoArgs(express.trace.get()));
  if (!found) return -1;
  return found.get() == Py_None ? 0 : 1;
}

bool read_start(Express& express, PyObject* model, Journey& journey) {
  const Start& last = express.last;
  if (!last.bytes || last.columns != journey.columns || last.is_double != journey.is_double ||
      (last.model.get() != model && PyUnicode_Compare(last.model.get(), model) != 0)) {
    const Owned is_double(PyBool_FromLong(journey.is_double ? 1 : 0));
    Owned bytes(
        PyObject_CallFunction(express.start.get(), "OnO", model, journey.columns, is_double.get()));
    if (!bytes) return false;
    express.last = {Owned(Py_NewRef(model)), journey.columns, journey.is_double, std::move(bytes)};
  }
  journey.arguments.reset(Py_NewRef(express.last.bytes.get()));
  return read_bytes(journey.arguments.get(), journey.asked.parts.arguments);
}

/// Whether an attribute is this object.
bool is_still(PyObject* owner, PyObject* name, PyObject* expected) {
  const Owned found(PyObject_GetAttr(owner, name));
  if (!found) PyErr_Clear();
  return found.get() == expected;
}

bool takes_call(const Express& express, const Lane& lane, double moment) {
  const LineObject& line = line_object_of(lane.line.get());
  return moment < lane.until && line.is_leaving == 0 && line.calls < express.calls_max &&
         is_still(lane.balancer.get(), express.members_name.get(), lane.members.get()) &&
         line.line->takes_calls() && (line.calls > 0 || line.line->is_quiet());
}

void name_call(Express& express, Journey& journey) {
  std::array<char, kNumberDigits> digits{};
  char* const end =
      std::to_chars(digits.data(), digits.data() + digits.size(), ++express.number).ptr;
  journey.request_id.append(express.prefix).append(digits.data(), end);
  CallParts& parts = journey.asked.parts;
  parts.method = kMethod;
  parts.has_context = true;
  parts.request_id = journey.request_id;
  parts.rest = express.rest;
  parts.has_payload = true;
  parts.payload_field = kFeaturesField;
  parts.payload = journey.features.bytes();
}

// ---- there and back -------------------------------------------------------------------------

/// The place on the line is free again; the pool is asked where anybody may care.
void give_back(const Express& express, const Lane& lane) {
  LineObject& line = line_object_of(lane.line.get());
  const double moment = now();
  const Owned waiting(PyObject_GetAttr(lane.pool.get(), express.waiting_name.get()));
  if (!waiting) PyErr_Clear();
  const bool is_usual = express.lane.get() == &lane && line.is_leaving == 0 &&
                        moment < lane.until && waiting && PyObject_IsTrue(waiting.get()) == 0;
  if (is_usual) {
    if (--line.calls == 0) line.idle_since = moment;
    return;
  }
  const Owned given(PyObject_CallMethodObjArgs(lane.pool.get(), express.give_back_name.get(),
                                               lane.connection.get(), nullptr));
  if (!given) PyErr_WriteUnraisable(lane.pool.get());
}

PyObject* raised() {
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  if (trace != nullptr) PyException_SetTraceback(value, trace);
  Py_XDECREF(type);
  Py_XDECREF(trace);
  return value;
}

PyObject* request_id_of(const Journey& journey) {
  return PyUnicode_FromStringAndSize(journey.request_id.data(),
                                     static_cast<Py_ssize_t>(journey.request_id.size()));
}

/// For Python to go on with: lane, request id, when it began, the reply or the error.
PyObject* unusual(Express& express, const Journey& journey, Owned outcome) {
  if (express.lane == journey.lane) express.lane.reset();
  give_back(express, *journey.lane);
  const Owned request_id(request_id_of(journey));
  if (!request_id || !outcome) return nullptr;
  return Py_BuildValue("OOdO", journey.lane->self.get(), request_id.get(), journey.begun,
                       outcome.get());
}

PyObject* result_of(const Express& express, const Journey& journey, const Scored& scored) {
  const Owned request_id(request_id_of(journey));
  if (!request_id) return nullptr;
  return PyObject_CallFunctionObjArgs(express.make.get(), scored.matrix.get(), scored.version.get(),
                                      request_id.get(), nullptr);
}

PyObject* travel(Express& express, const Others& others, Journey& journey) {
  const LineObject& line = line_object_of(journey.lane->line.get());
  Exchange exchange{.method = kMethod, .sequence = line.line->next_number()};
  if (!run(line, others, journey.asked, exchange)) {
    return unusual(express, journey, Owned(raised()));
  }
  Scored scored;
  if (!read_scored(others, exchange, journey.asked, scored)) {
    return unusual(express, journey, Owned(raised()));
  }
  if (!scored.matrix) return unusual(express, journey, Owned(message_of(exchange)));
  give_back(express, *journey.lane);
  return result_of(express, journey, scored);
}

// ---- methods --------------------------------------------------------------------------------

PyObject* scored_or_none(Express& express, const Others& others, PyObject* model,
                         PyObject* features) {
  Journey journey{.lane = express.lane};
  if (!journey.lane || PyUnicode_CheckExact(model) == 0) Py_RETURN_NONE;
  if (!read_features(others, features, journey)) Py_RETURN_NONE;
  const int traced = is_traced(express);
  if (traced != 0) return traced < 0 ? nullptr : Py_NewRef(Py_None);
  if (!read_start(express, model, journey)) return nullptr;
  name_call(express, journey);
  journey.asked.seconds = express.seconds;
  journey.begun = now();
  // No Python runs between the look and the taking: other threads would.
  if (!takes_call(express, *journey.lane, journey.begun)) {
    if (express.lane == journey.lane) express.lane.reset();
    Py_RETURN_NONE;
  }
  ++line_object_of(journey.lane->line.get()).calls;
  const Owned earned(PyObject_CallNoArgs(express.earn.get()));
  if (earned) return travel(express, others, journey);
  return unusual(express, journey, Owned(raised()));
}

PyObject* express_score(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 2) return PyErr_Format(PyExc_TypeError, "expected 2 arguments, received %zd", count);
  try {
    return scored_or_none(express_of(self), others_of(self), arguments[0], arguments[1]);
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

/// An attribute of a lane; null with an exception.
Owned part(PyObject* lane, const char* name) { return Owned(PyObject_GetAttrString(lane, name)); }

PyObject* express_arm(PyObject* self, PyObject* given) {
  const Owned until(part(given, "until"));
  const double moment = until ? PyFloat_AsDouble(until.get()) : 0;
  Lane lane{Owned(Py_NewRef(given)),
            part(given, "line"),
            part(given, "connection"),
            part(given, "pool"),
            part(given, "balancer"),
            part(given, "members"),
            moment};
  if (PyErr_Occurred() != nullptr) return nullptr;
  if (reinterpret_cast<PyObject*>(Py_TYPE(lane.line.get())) != others_of(self).line_type) {
    return PyErr_Format(PyExc_TypeError, "expected a Line, received %R", lane.line.get());
  }
  express_of(self).lane = std::make_shared<const Lane>(std::move(lane));
  Py_RETURN_NONE;
}

PyObject* express_is_armed(PyObject* self, void* /*closure*/) {
  return PyBool_FromLong(express_of(self).lane ? 1 : 0);
}

Owned owned_name(const char* name) { return Owned(PyUnicode_InternFromString(name)); }

PyObject* express_new(PyTypeObject* type, PyObject* arguments, PyObject* /*named*/) {
  PyObject* make = nullptr;
  PyObject* start = nullptr;
  PyObject* earn = nullptr;
  PyObject* trace = nullptr;
  const char* prefix = nullptr;
  const char* rest = nullptr;
  Py_ssize_t prefix_bytes = 0;
  Py_ssize_t rest_bytes = 0;
  double seconds = 0;
  int calls_max = 0;
  if (PyArg_ParseTuple(arguments, "OOOOy#y#di", &make, &start, &earn, &trace, &prefix,
                       &prefix_bytes, &rest, &rest_bytes, &seconds, &calls_max) == 0) {
    return nullptr;
  }
  PyObject* self = allocated(type);
  if (self == nullptr) return nullptr;
  reinterpret_cast<ExpressObject*>(self)->express = new Express{
      .make = Owned(Py_NewRef(make)),
      .start = Owned(Py_NewRef(start)),
      .earn = Owned(Py_NewRef(earn)),
      .trace = Owned(trace == Py_None ? nullptr : Py_NewRef(trace)),
      .waiting_name = owned_name("waiting"),
      .members_name = owned_name("members"),
      .give_back_name = owned_name("give_back"),
      .prefix = {prefix, static_cast<std::size_t>(prefix_bytes)},
      .rest = {rest, static_cast<std::size_t>(rest_bytes)},
      .seconds = seconds,
      .calls_max = calls_max,
  };
  return self;
}

void express_dealloc(PyObject* self) {
  delete reinterpret_cast<ExpressObject*>(self)->express;
  free_object(self);
}

PyMethodDef express_methods[] = {
    {"score", method_of(express_score), METH_FASTCALL, nullptr},
    {"arm", express_arm, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef express_properties[] = {
    {"is_armed", express_is_armed, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot express_slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(express_new)},
    {Py_tp_dealloc, reinterpret_cast<void*>(express_dealloc)},
    {Py_tp_methods, express_methods},
    {Py_tp_getset, express_properties},
    {0, nullptr},
};

PyType_Spec express_spec{"thriftscore_client._fast.Express", sizeof(ExpressObject), 0,
                         Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, express_slots};

}  // namespace

bool add_express_type(PyObject* module) {
  const Owned type(PyType_FromModuleAndSpec(module, &express_spec, nullptr));
  return type && PyModule_AddObjectRef(module, "Express", type.get()) == 0;
}

}  // namespace thriftscore_client
