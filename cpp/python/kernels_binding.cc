// SPDX-License-Identifier: Apache-2.0
// The kernels themselves, for tests and benchmarks.
#include <pybind11/stl.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"
#include "python/arrays.h"
#include "python/bindings.h"

namespace thriftscore::python {
namespace {

ArrayView view_vector(py::handle object, const char* name, Type type, std::size_t columns) {
  const ArrayView view = view_array(object, name);
  if (view.dimensions != 1) throw py::value_error(std::string(name) + ": expected 1 dimension");
  if (view.type != type) throw py::type_error(std::string(name) + ": expected the dtype of x");
  check_columns(view, columns, name);
  return view;
}

ArrayView view_weights(py::handle object, const ArrayView& x) {
  const ArrayView weights = view_array(object, "weights");
  if (weights.dimensions != 2) throw py::value_error("weights: expected 2 dimensions");
  if (weights.type != x.type) throw py::type_error("weights: expected the dtype of x");
  check_columns(weights, x.columns, "weights");
  return weights;
}

template <typename T>
const T* values(const ArrayView& view) {
  return static_cast<const T*>(view.data);
}

template <typename T>
kernels::WeightedSum<T> weighted_sum_of(const ArrayView& weights, const ArrayView& bias) {
  return {values<T>(weights), values<T>(bias), weights.columns, weights.rows};
}

template <typename T>
kernels::Normalizer<T> normalizer_of(const ArrayView& mean, const ArrayView& scale) {
  return {values<T>(mean), values<T>(scale), mean.columns};
}

py::object weighted_sum(py::handle x_object, py::handle weights_object, py::handle bias_object) {
  const ArrayView x = view_array(x_object, "x");
  const ArrayView weights = view_weights(weights_object, x);
  const ArrayView bias = view_vector(bias_object, "bias", x.type, weights.rows);
  py::object y = new_array(x.type, x.dimensions, x.rows, weights.rows);
  with_type(x.type, [&](auto value) {
    using T = decltype(value);
    kernels::active<T>().weighted_sum(weighted_sum_of<T>(weights, bias), values<T>(x), x.rows,
                                      static_cast<T*>(data_of(y)));
  });
  return y;
}

py::object normalized_weighted_sum(py::handle x_object, py::handle mean_object,
                                   py::handle scale_object, py::handle weights_object,
                                   py::handle bias_object) {
  const ArrayView x = view_array(x_object, "x");
  const ArrayView mean = view_vector(mean_object, "mean", x.type, x.columns);
  const ArrayView scale = view_vector(scale_object, "scale", x.type, x.columns);
  const ArrayView weights = view_weights(weights_object, x);
  const ArrayView bias = view_vector(bias_object, "bias", x.type, weights.rows);
  py::object y = new_array(x.type, x.dimensions, x.rows, weights.rows);
  with_type(x.type, [&](auto value) {
    using T = decltype(value);
    kernels::active<T>().normalized_weighted_sum(normalizer_of<T>(mean, scale),
                                                 weighted_sum_of<T>(weights, bias), values<T>(x),
                                                 x.rows, static_cast<T*>(data_of(y)));
  });
  return y;
}

// Runs `call(kernels, normalizer, x, rows, y)` for the type of x.
template <typename Call>
py::object normalized(py::handle x_object, py::handle mean_object, py::handle scale_object,
                      Call&& call) {
  const ArrayView x = view_array(x_object, "x");
  const ArrayView mean = view_vector(mean_object, "mean", x.type, x.columns);
  const ArrayView scale = view_vector(scale_object, "scale", x.type, x.columns);
  py::object y = new_array(x.type, x.dimensions, x.rows, x.columns);
  with_type(x.type, [&](auto value) {
    using T = decltype(value);
    call(kernels::active<T>(), normalizer_of<T>(mean, scale), values<T>(x), x.rows,
         static_cast<T*>(data_of(y)));
  });
  return y;
}

py::object normalize(py::handle x, py::handle mean, py::handle scale) {
  return normalized(x, mean, scale, [](const auto& kernels, const auto&... arguments) {
    kernels.normalize(arguments...);
  });
}

py::object denormalize(py::handle x, py::handle mean, py::handle scale) {
  return normalized(x, mean, scale, [](const auto& kernels, const auto&... arguments) {
    kernels.denormalize(arguments...);
  });
}

// Runs `call(kernels, y)` on a copy of x, which it changes in place.
template <typename Call>
py::object on_copy(py::handle x_object, Call&& call) {
  const ArrayView x = view_array(x_object, "x");
  py::object y = new_array(x.type, x.dimensions, x.rows, x.columns);
  if (x.size() != 0) std::memcpy(data_of(y), x.data, x.size() * size_of(x.type));
  with_type(x.type, [&](auto value) {
    using T = decltype(value);
    call(kernels::active<T>(), x, static_cast<T*>(data_of(y)));
  });
  return y;
}

py::object sigmoid(py::handle x) {
  return on_copy(x, [](const auto& kernels, const ArrayView& view, auto* y) {
    kernels.sigmoid(y, view.size());
  });
}

py::object exponential(py::handle x) {
  return on_copy(x, [](const auto& kernels, const ArrayView& view, auto* y) {
    kernels.exponential(y, view.size());
  });
}

py::object softmax(py::handle x) {
  return on_copy(x, [](const auto& kernels, const ArrayView& view, auto* y) {
    kernels.softmax(y, view.rows, view.columns);
  });
}

void select_simd_target(std::string_view name) {
  if (!kernels::select_target(name)) throw py::value_error(kernels::target_error(name));
}

}  // namespace

void bind_kernels(py::module_& module) {
  module.def("simd_target", [] { return kernels::active_target(); });
  module.def("simd_targets", [] { return kernels::available_targets(); });
  module.def("select_simd_target", &select_simd_target, py::arg("name"));
  module.def("simd_error", [] { return kernels::target_error(); });

  py::module_ part = module.def_submodule("kernels", "The kernels of the SIMD target in use.");
  part.def("weighted_sum", &weighted_sum, py::arg("x"), py::arg("weights"), py::arg("bias"));
  part.def("normalized_weighted_sum", &normalized_weighted_sum, py::arg("x"), py::arg("mean"),
           py::arg("scale"), py::arg("weights"), py::arg("bias"));
  part.def("normalize", &normalize, py::arg("x"), py::arg("mean"), py::arg("scale"));
  part.def("denormalize", &denormalize, py::arg("x"), py::arg("mean"), py::arg("scale"));
  part.def("sigmoid", &sigmoid, py::arg("x"));
  part.def("exponential", &exponential, py::arg("x"));
  part.def("softmax", &softmax, py::arg("x"));
}

}  // namespace thriftscore::python
