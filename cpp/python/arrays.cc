// SPDX-License-Identifier: Apache-2.0
#include "python/arrays.h"

#include <array>
#include <limits>
#include <string>

namespace thriftscore::python {
namespace {

using py::detail::npy_api;

std::string text_of(py::handle object) { return py::str(object).cast<std::string>(); }

std::string type_name(py::handle object) { return text_of(py::type::of(object).attr("__name__")); }

[[noreturn]] void throw_type(const char* name, const std::string& expected,
                             const std::string& received) {
  throw py::type_error(std::string(name) + ": expected " + expected + ", got " + received);
}

[[noreturn]] void throw_value(const char* name, const std::string& expected,
                              const std::string& received) {
  throw py::value_error(std::string(name) + ": expected " + expected + ", got " + received);
}

Type type_of(const py::array& array, const char* name) {
  const py::dtype dtype = array.dtype();
  const int number = dtype.num();
  const char order = dtype.byteorder();
  const bool native = order == '=' || order == '|';
  if (native && number == npy_api::NPY_FLOAT_) return Type::kFp32;
  if (native && number == npy_api::NPY_DOUBLE_) return Type::kFp64;
  throw_type(name, "dtype float32 or float64", text_of(dtype) + (native ? "" : " (byte-swapped)"));
}

std::string shape_text(const py::array& array) { return text_of(array.attr("shape")); }

}  // namespace

ArrayView view_array(py::handle object, const char* name) {
  if (Py_TYPE(object.ptr()) != npy_api::get().PyArray_Type_) {
    throw_type(name, "numpy.ndarray", type_name(object));
  }
  const auto array = py::reinterpret_borrow<py::array>(object);
  const Type type = type_of(array, name);
  const auto dimensions = static_cast<int>(array.ndim());
  if (dimensions != 1 && dimensions != 2) {
    throw_value(name, "1 or 2 dimensions", shape_text(array));
  }
  if ((array.flags() & npy_api::NPY_ARRAY_C_CONTIGUOUS_) == 0) {
    throw_value(name, "a C-contiguous array", "strides " + text_of(array.attr("strides")));
  }
  const py::ssize_t rows = dimensions == 1 ? 1 : array.shape(0);
  return {array.data(), type, dimensions, static_cast<std::size_t>(rows),
          static_cast<std::size_t>(array.shape(dimensions - 1))};
}

void check_columns(const ArrayView& array, std::size_t columns, const char* name) {
  if (array.columns != columns) {
    throw_value(name, std::to_string(columns) + " columns", std::to_string(array.columns));
  }
}

py::object new_array(Type type, int dimensions, std::size_t rows, std::size_t columns) {
  const npy_api& api = npy_api::get();
  const std::array<Py_intptr_t, 2> shape = {static_cast<Py_intptr_t>(rows),
                                            static_cast<Py_intptr_t>(columns)};
  PyObject* descriptor =
      api.PyArray_DescrFromType_(type == Type::kFp32 ? npy_api::NPY_FLOAT_ : npy_api::NPY_DOUBLE_);
  // Takes over the reference to the descriptor. NumPy refuses a size that is out of range.
  PyObject* array =
      api.PyArray_NewFromDescr_(api.PyArray_Type_, descriptor, dimensions,
                                shape.data() + (2 - dimensions), nullptr, nullptr, 0, nullptr);
  if (array == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(array);
}

void* data_of(const py::object& array) noexcept {
  return py::detail::array_proxy(array.ptr())->data;
}

Type parse_datatype(std::string_view name) {
  if (name == "FP32") return Type::kFp32;
  if (name == "FP64") return Type::kFp64;
  throw_value("datatype", "FP32 or FP64", "'" + std::string(name) + "'");
}

BufferView::BufferView(py::handle object, const char* name) {
  if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_SIMPLE) == 0) return;
  const bool has_gaps = PyErr_ExceptionMatches(PyExc_BufferError) != 0;
  PyErr_Clear();
  if (has_gaps) throw_value(name, "one block of bytes", type_name(object) + " that is not one");
  throw_type(name, "an object with bytes", type_name(object));
}

std::size_t count_rows(const BufferView& buffer, Type type, std::size_t columns, const char* name) {
  const std::size_t row_bytes = columns * size_of(type);
  if (buffer.size() % row_bytes != 0) {
    throw_value(name,
                "a multiple of " + std::to_string(row_bytes) + " bytes (" +
                    std::to_string(columns) + (type == Type::kFp32 ? " FP32" : " FP64") +
                    " values a row)",
                std::to_string(buffer.size()));
  }
  return buffer.size() / row_bytes;
}

py::bytes new_bytes(std::size_t size) {
  if (size > static_cast<std::size_t>(std::numeric_limits<py::ssize_t>::max())) {
    throw std::bad_alloc();
  }
  PyObject* bytes = PyBytes_FromStringAndSize(nullptr, static_cast<py::ssize_t>(size));
  if (bytes == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::bytes>(bytes);
}

}  // namespace thriftscore::python
