// SPDX-License-Identifier: Apache-2.0
// Every call does four things in order: check, allocate the result, release the GIL, call.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/hashing.h"
#include "model/model.h"
#include "python/arrays.h"
#include "python/bindings.h"
#include "python/free_gil.h"

namespace thriftscore::python {
namespace {

using ModelPointer = std::shared_ptr<Model>;

// pybind11 holds no pointers to const; nothing of Model that Python reaches changes it.
ModelPointer held(std::shared_ptr<const Model> model) {
  return std::const_pointer_cast<Model>(std::move(model));
}

Type precision_of(const Model& model) noexcept {
  return model.description().precision == Precision::kFp32 ? Type::kFp32 : Type::kFp64;
}

ModelPointer load_file(const std::filesystem::path& path) {
  const FreeGil free;  // reading and checking take long
  return held(Model::load_file(path));
}

ModelPointer load_bytes(const py::bytes& data) {
  const std::string_view view = data;
  const FreeGil free;  // checking takes long; bytes do not change
  return held(Model::load_bytes(std::as_bytes(std::span(view))));
}

std::optional<MissingValue> score_into(const Model& model, const void* x, Type type,
                                       std::size_t rows, void* y) {
  thread_local Workspace workspace;
  const FreeGil free;  // other Python threads run while the kernels do
  return with_type(type, [&](auto in) {
    return with_type(precision_of(model), [&](auto out) {
      return model.score(static_cast<const decltype(in)*>(x), rows, static_cast<decltype(out)*>(y),
                         workspace);
    });
  });
}

void raise_if_missing(const std::optional<MissingValue>& missing) {
  if (!missing) return;
  const py::object type = py::module_::import("thriftscore._native").attr("MissingValueError");
  PyErr_SetObject(type.ptr(), py::make_tuple(missing->row, missing->column).ptr());
  throw py::error_already_set();
}

py::object score(const Model& model, py::handle features) {
  const ArrayView x = view_array(features, "features");
  check_columns(x, model.columns(), "features");
  py::object y = new_array(precision_of(model), x.dimensions, x.rows, model.outputs());
  raise_if_missing(score_into(model, x.data, x.type, x.rows, data_of(y)));
  return y;
}

py::bytes score_bytes(const Model& model, py::handle features, std::string_view datatype) {
  const Type type = parse_datatype(datatype);
  const BufferView x(features, "features");
  const std::size_t rows = count_rows(x, type, model.columns(), "features");
  py::bytes y = new_bytes(rows * model.outputs() * size_of(precision_of(model)));
  raise_if_missing(score_into(model, x.data(), type, rows, PyBytes_AS_STRING(y.ptr())));
  return y;
}

// A named output of a call: where it goes, and as what Python sees it.
struct NamedOutput {
  std::string name;
  std::size_t columns;  // 0 for one integer a row
  py::object object;
  void* data;
};

const NamedOutput* find_output(const std::vector<NamedOutput>& outputs, std::string_view name) {
  const auto found =
      std::find_if(outputs.begin(), outputs.end(),
                   [name](const NamedOutput& output) { return output.name == name; });
  return found == outputs.end() ? nullptr : &*found;
}

void* place_of(const std::vector<NamedOutput>& outputs, std::string_view name) {
  const NamedOutput* const output = find_output(outputs, name);
  return output == nullptr ? nullptr : output->data;
}

// Scores are always among them, first. Throws ValueError for a name that the model has not.
std::vector<NamedOutput> named_outputs(const Model& model, const std::vector<std::string>& names) {
  const ModelDescription& description = model.description();
  std::vector<NamedOutput> outputs = {{"scores", model.outputs(), {}, nullptr}};
  for (const std::string& name : names) {
    const auto& known = description.outputs;
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw py::value_error("outputs: the model has no output '" + name + "'");
    }
    if (find_output(outputs, name) != nullptr) continue;
    const std::size_t width = name == "label"           ? 0
                              : name == "probabilities" ? description.classes.size()
                                                        : model.outputs();
    outputs.push_back({name, width, {}, nullptr});
  }
  return outputs;
}

std::optional<MissingValue> evaluate_into(const Model& model, const void* x, Type type,
                                          std::size_t rows,
                                          const std::vector<NamedOutput>& outputs) {
  thread_local Workspace workspace;
  const FreeGil free;  // other Python threads run while the kernels do
  return with_type(type, [&](auto in) {
    return with_type(precision_of(model), [&](auto out) {
      using Out = decltype(out);
      const Outputs<Out> y = {
          .scores = static_cast<Out*>(place_of(outputs, "scores")),
          .margin = static_cast<Out*>(place_of(outputs, "margin")),
          .probabilities = static_cast<Out*>(place_of(outputs, "probabilities")),
          .labels = static_cast<std::int64_t*>(place_of(outputs, "label"))};
      return model.evaluate(static_cast<const decltype(in)*>(x), rows, y, workspace);
    });
  });
}

// Those asked for, in their order.
py::dict as_dict(const std::vector<NamedOutput>& outputs, const std::vector<std::string>& names) {
  py::dict result;
  for (const std::string& name : names) result[py::str(name)] = find_output(outputs, name)->object;
  return result;
}

py::dict evaluate(const Model& model, py::handle features, const std::vector<std::string>& names) {
  const ArrayView x = view_array(features, "features");
  check_columns(x, model.columns(), "features");
  std::vector<NamedOutput> outputs = named_outputs(model, names);
  for (NamedOutput& output : outputs) {
    if (output.columns == 0) {
      const std::vector<py::ssize_t> shape(static_cast<std::size_t>(x.dimensions - 1),
                                           static_cast<py::ssize_t>(x.rows));
      output.object = py::array_t<std::int64_t>(shape);
    } else {
      output.object = new_array(precision_of(model), x.dimensions, x.rows, output.columns);
    }
    output.data = data_of(output.object);
  }
  raise_if_missing(evaluate_into(model, x.data, x.type, x.rows, outputs));
  return as_dict(outputs, names);
}

py::dict evaluate_bytes(const Model& model, py::handle features, std::string_view datatype,
                        const std::vector<std::string>& names) {
  const Type type = parse_datatype(datatype);
  const BufferView x(features, "features");
  const std::size_t rows = count_rows(x, type, model.columns(), "features");
  std::vector<NamedOutput> outputs = named_outputs(model, names);
  for (NamedOutput& output : outputs) {
    const std::size_t row_bytes =
        output.columns == 0 ? sizeof(std::int64_t) : output.columns * size_of(precision_of(model));
    output.object = new_bytes(rows * row_bytes);
    output.data = PyBytes_AS_STRING(output.object.ptr());
  }
  raise_if_missing(evaluate_into(model, x.data(), type, rows, outputs));
  return as_dict(outputs, names);
}

const char* name_of(Labelling labelling) {
  if (labelling == Labelling::kNone) return "none";
  return labelling == Labelling::kThreshold ? "threshold" : "argmax";
}

enum class Direction { kForward, kInverse };

template <Direction kDirection>
void normalize_into(const Model& model, const void* x, Type type, std::size_t rows, void* y) {
  const FreeGil free;  // other Python threads run while the kernels do
  with_type(type, [&](auto value) {
    const auto* from = static_cast<const decltype(value)*>(x);
    auto* to = static_cast<decltype(value)*>(y);
    if constexpr (kDirection == Direction::kForward) {
      model.normalize(from, rows, to);
    } else {
      model.denormalize(from, rows, to);
    }
  });
}

void check_normalizer(const Model& model) {
  if (!model.description().has_normalizer) throw py::value_error("the model has no normaliser");
}

template <Direction kDirection>
py::object normalize(const Model& model, py::handle values) {
  check_normalizer(model);
  const ArrayView x = view_array(values, "values");
  check_columns(x, model.columns(), "values");
  py::object y = new_array(x.type, x.dimensions, x.rows, x.columns);
  normalize_into<kDirection>(model, x.data, x.type, x.rows, data_of(y));
  return y;
}

template <Direction kDirection>
py::bytes normalize_bytes(const Model& model, py::handle values, std::string_view datatype) {
  check_normalizer(model);
  const Type type = parse_datatype(datatype);
  const BufferView x(values, "values");
  const std::size_t rows = count_rows(x, type, model.columns(), "values");
  py::bytes y = new_bytes(x.size());
  normalize_into<kDirection>(model, x.data(), type, rows, PyBytes_AS_STRING(y.ptr()));
  return y;
}

// The message may hold a path, and so bytes that are no UTF-8.
// One row [columns] in double, of features by name.
py::object hashed_row(const Model& model, const py::dict& features) {
  const auto& hashing = model.description().hashing;
  if (!hashing) throw py::value_error("the model does not hash names");
  py::object row = new_array(Type::kFp64, 1, 1, model.columns());
  auto* const values = static_cast<double*>(data_of(row));
  std::fill_n(values, model.columns(), 0.0);
  for (const auto& [name, value] : features) {
    const auto place = hashed_feature(name.cast<std::string>(), model.columns(), *hashing);
    values[place.column] += place.sign * value.cast<double>();
  }
  return row;
}

void raise_model_error(PyObject* type, const ModelError& error) {
  const auto message = py::reinterpret_steal<py::object>(PyUnicode_DecodeFSDefault(error.what()));
  PyErr_SetObject(type, message.ptr());
}

void bind_errors(py::module_& module) {
  static const py::handle model_error =
      py::exception<ModelError>(module, "ModelError", PyExc_ValueError).release();
  // NOLINTNEXTLINE(performance-unnecessary-value-param): pybind11's signature
  py::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const ModelError& error) {
      raise_model_error(model_error.ptr(), error);
    }
  });
  // NOLINTNEXTLINE(bugprone-throw-keyword-missing): it is registered, not thrown
  py::exception<MissingValue>(module, "MissingValueError", PyExc_ValueError);
}

}  // namespace

void bind_model(py::module_& module) {
  bind_errors(module);
  const auto described = [](auto member) {
    return [member](const Model& model) { return model.description().*member; };
  };
  py::class_<Model, ModelPointer>(module, "Model")
      .def_static("load_file", &load_file, py::arg("path"))
      .def_static("load_bytes", &load_bytes, py::arg("data"))
      .def_property_readonly("columns", &Model::columns)
      .def_property_readonly("outputs", &Model::outputs)
      .def_property_readonly(
          "precision",
          [](const Model& model) { return precision_of(model) == Type::kFp32 ? "fp32" : "fp64"; })
      .def_property_readonly("task", described(&ModelDescription::task))
      .def_property_readonly("link", described(&ModelDescription::link))
      .def_property_readonly("features", described(&ModelDescription::features))
      .def_property_readonly("classes", described(&ModelDescription::classes))
      .def_property_readonly("has_normalizer", described(&ModelDescription::has_normalizer))
      .def_property_readonly("plan", described(&ModelDescription::plan))
      .def_property_readonly("missing_values",
                             [](const Model& model) {
                               return model.description().refuses_missing ? "refuse" : "propagate";
                             })
      .def_property_readonly("categories", described(&ModelDescription::categories))
      .def_property_readonly(
          "hashes_names",
          [](const Model& model) { return model.description().hashing.has_value(); })
      .def("hashed_row", &hashed_row, py::arg("features"))
      .def_property_readonly("output_names", described(&ModelDescription::outputs))
      .def_property_readonly("label_threshold", described(&ModelDescription::label_threshold))
      .def_property_readonly(
          "label", [](const Model& model) { return name_of(model.description().labelling); })
      .def("evaluate", &evaluate, py::arg("features"), py::arg("outputs"))
      .def("evaluate_bytes", &evaluate_bytes, py::arg("features"), py::arg("datatype"),
           py::arg("outputs"))
      .def("score", &score, py::arg("features"))
      .def("score_bytes", &score_bytes, py::arg("features"), py::arg("datatype"))
      .def("normalize", &normalize<Direction::kForward>, py::arg("values"))
      .def("denormalize", &normalize<Direction::kInverse>, py::arg("values"))
      .def("normalize_bytes", &normalize_bytes<Direction::kForward>, py::arg("values"),
           py::arg("datatype"))
      .def("denormalize_bytes", &normalize_bytes<Direction::kInverse>, py::arg("values"),
           py::arg("datatype"));
}

}  // namespace thriftscore::python
