// SPDX-License-Identifier: Apache-2.0
// What crosses the border: NumPy arrays and buffers, examined and never converted.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <string_view>
#include <utility>

namespace thriftscore::python {

namespace py = pybind11;

enum class Type { kFp32, kFp64 };

constexpr std::size_t size_of(Type type) noexcept {
  return type == Type::kFp32 ? sizeof(float) : sizeof(double);
}

/// Calls `call` with a value of the type: a float or a double.
template <typename Call>
decltype(auto) with_type(Type type, Call&& call) {
  return type == Type::kFp32 ? std::forward<Call>(call)(float{})
                             : std::forward<Call>(call)(double{});
}

/// A C-contiguous array of float32 or float64 in native byte order, with 1 or 2 dimensions, at any
/// alignment. Borrowed: valid while the array is.
struct ArrayView {
  const void* data;
  Type type;
  int dimensions;
  std::size_t rows;  // 1 for an array of 1 dimension
  std::size_t columns;

  std::size_t size() const noexcept { return rows * columns; }
};

/// Examines `object`, called `name` in messages. Throws TypeError for what is no numpy.ndarray or
/// has another dtype, ValueError for another rank or layout. Subclasses of ndarray are refused,
/// because their data may not mean what the bytes say (masked arrays).
ArrayView view_array(py::handle object, const char* name);

/// Throws ValueError unless `array` has `columns` columns.
void check_columns(const ArrayView& array, std::size_t columns, const char* name);

/// A new array of `columns` columns: [rows, columns], or [columns] where `dimensions` is 1.
py::object new_array(Type type, int dimensions, std::size_t rows, std::size_t columns);

/// The first byte of an array that new_array() made.
void* data_of(const py::object& array) noexcept;

/// "FP32" or "FP64"; anything else throws ValueError.
Type parse_datatype(std::string_view name);

/// The bytes of an object with the buffer protocol, held until destruction, with the GIL. Throws
/// TypeError for another object, ValueError where the bytes are not one block.
class BufferView {
 public:
  BufferView(py::handle object, const char* name);
  BufferView(const BufferView&) = delete;
  BufferView& operator=(const BufferView&) = delete;
  ~BufferView() { PyBuffer_Release(&view_); }

  const void* data() const noexcept { return view_.buf; }
  std::size_t size() const noexcept { return static_cast<std::size_t>(view_.len); }

 private:
  Py_buffer view_{};
};

/// How many rows of `columns` values `buffer` has; ValueError where that is no whole number.
std::size_t count_rows(const BufferView& buffer, Type type, std::size_t columns, const char* name);

/// A new bytes object whose bytes the caller fills before anyone else sees it.
py::bytes new_bytes(std::size_t size);

}  // namespace thriftscore::python
