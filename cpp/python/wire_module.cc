// SPDX-License-Identifier: Apache-2.0
// The wire codec itself, for tests: decoding to Python objects, encoding from them.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "python/bindings.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/framer.h"
#include "wire/text.h"

namespace thriftscore::python {
namespace {

namespace py = pybind11;
using namespace wire;

py::bytes to_python(Bytes value) {
  return {reinterpret_cast<const char*>(value.data()), value.size()};
}
py::str to_python(std::string_view value) { return {value.data(), value.size()}; }
py::bool_ to_python(bool value) { return value; }
py::int_ to_python(std::int32_t value) { return value; }
py::int_ to_python(std::int64_t value) { return value; }
py::int_ to_python(DataType value) { return static_cast<std::int32_t>(value); }
py::float_ to_python(double value) { return value; }

template <HasSchema T>
py::dict to_python(const T& value);

py::list to_python(const Shape& shape) {
  py::list out;
  for (const std::int64_t extent : shape.view()) out.append(extent);
  return out;
}

template <typename T>
py::list to_python(const ListView<T>& list) {
  py::list out;
  for (const T& element : list) out.append(to_python(element));
  return out;
}

template <typename K, typename V>
py::dict to_python(const MapView<K, V>& map) {
  py::dict out;
  for (const auto& [key, value] : map) out[to_python(key)] = to_python(value);
  return out;
}

template <typename T>
py::object to_python(const std::optional<T>& value) {
  return value ? py::object(to_python(*value)) : py::none();
}

template <HasSchema T>
py::dict to_python(const T& value) {
  py::dict out;
  any_field<T>([&](const auto& field) {
    out[py::str(std::string(field.name))] = to_python(value.*field.member);
    return false;
  });
  return out;
}

Bytes view(const py::bytes& object) { return as_bytes(std::string_view(object)); }

std::string_view name_of(Protocol protocol) {
  return protocol == Protocol::kBinary ? "binary" : "compact";
}

Protocol protocol_of(std::string_view name) {
  if (name != "binary" && name != "compact") throw py::value_error("no such protocol");
  return name == "binary" ? Protocol::kBinary : Protocol::kCompact;
}

template <typename T>
Status decode_as(const Call& call, py::dict& out) {
  T arguments;
  const Status status = decode_arguments(call, Limits{}, arguments);
  if (status == Status::kOk) out["arguments"] = to_python(arguments);
  return status;
}

Status decode_by_name(const Call& call, py::dict& out) {
  const std::string_view method = call.method;
  if (method == "ping") return decode_as<NoArguments>(call, out);
  if (method == "score") return decode_as<Arguments<ScoreRequest>>(call, out);
  if (method == "score_sparse") return decode_as<Arguments<SparseScoreRequest>>(call, out);
  if (method == "score_values") return decode_as<ScoreValuesArguments>(call, out);
  if (method == "score_named") return decode_as<ScoreNamedArguments>(call, out);
  if (method == "infer") return decode_as<Arguments<InferRequest>>(call, out);
  if (method == "normalize" || method == "denormalize") {
    return decode_as<Arguments<NormalizeRequest>>(call, out);
  }
  return check_arguments(call, Limits{});
}

/// {"status": ...}, and for "ok" also service, method, sequence_id and, by method, arguments.
py::dict decode_call(const py::bytes& message, std::string_view protocol) {
  py::dict out;
  Call call;
  Status status = read_call(protocol_of(protocol), view(message), Limits{}, call);
  if (status == Status::kOk) status = decode_by_name(call, out);
  out["status"] = wire::name_of(status);
  if (status != Status::kOk) return out;
  out["service"] = to_python(call.service);
  out["method"] = to_python(call.method);
  out["sequence_id"] = call.sequence_id;
  return out;
}

py::dict to_python(const Message& message) {
  constexpr std::string_view kTransports[] = {"framed", "unframed", "header"};
  py::dict out;
  py::dict headers;
  message.headers.for_each([&](const InfoPair& pair) {
    headers[to_python(as_bytes(pair.key))] = to_python(as_bytes(pair.value));
  });
  out["transport"] = kTransports[static_cast<std::size_t>(message.transport)];
  out["protocol"] = name_of(message.protocol);
  out["payload"] = to_python(message.payload);
  out["headers"] = headers;
  out["total_bytes"] = message.total_bytes;
  return out;
}

/// The messages at the start of `stream` that arrives in reads of `read_bytes` bytes, as dicts;
/// last the reason of a refusal as a str, or None where more bytes are needed.
py::list split_stream(const py::bytes& stream, std::size_t read_bytes) {
  const Limits limits;
  Framer framer(limits);
  Bytes rest = view(stream);
  std::size_t end = 0;
  py::list out;
  for (;;) {
    const Outcome outcome = framer.next_message(rest.first(end));
    if (const auto* message = std::get_if<Message>(&outcome)) {
      out.append(to_python(*message));
      rest = rest.subspan(message->total_bytes);
      end -= message->total_bytes;
    } else if (const auto* reject = std::get_if<Reject>(&outcome)) {
      out.append(wire::name_of(reject->reason));
      return out;
    } else if (end == rest.size()) {
      out.append(py::none());
      return out;
    } else {
      end = std::min(rest.size(), end + std::max<std::size_t>(read_bytes, 1));
    }
  }
}

/// A reply's address: (transport, protocol, sequence_id, method).
ReplyTo reply_to(const py::tuple& to) {
  const auto transport = to[0].cast<std::string_view>();
  const auto protocol = protocol_of(to[1].cast<std::string_view>());
  ReplyTo out{Transport::kFramed, protocol, to[2].cast<std::int32_t>(),
              to[3].cast<std::string_view>()};
  if (transport == "unframed") out.transport = Transport::kUnframed;
  if (transport == "header") out.transport = Transport::kHeader;
  return out;
}

/// Encodes with `encode(target)`, which returns a size, then calls `fill`.
template <typename Encode, typename Fill>
py::bytes encode_reply(std::size_t bytes_max, const Encode& encode, const Fill& fill) {
  std::vector<std::byte> target(bytes_max);
  const std::size_t size = encode(std::span<std::byte>(target));
  if (size == 0) throw py::value_error("the reply does not fit");
  fill();
  return to_python(Bytes(target.data(), size));
}

template <typename T, typename Fill>
py::bytes encode_result_of(const py::tuple& to, T result, const Fill& fill) {
  const ReplyTo address = reply_to(to);
  return encode_reply(
      reply_bytes_max(address, result),
      [&](std::span<std::byte> target) { return encode_result(target, address, result); },
      [&] { fill(result, address); });
}

void fill_room(const Room& room, Bytes content) {
  if (!content.empty()) std::memcpy(room.data, content.data(), content.size());
}

/// `fields`: those of ScoreResponse by their IDL names.
py::bytes encode_scores(const py::tuple& to, const py::dict& fields) {
  const auto scores = fields["scores"].cast<py::bytes>();
  const auto version = fields["model_version"].cast<std::string>();
  const auto request_id = fields["request_id"].cast<std::optional<std::string>>();
  const ScoreResponse response{{view(scores).size()},
                               static_cast<DataType>(fields["datatype"].cast<std::int32_t>()),
                               fields["rows"].cast<std::int64_t>(),
                               fields["columns"].cast<std::int32_t>(),
                               version,
                               request_id};
  return encode_result_of(to, response, [&](const ScoreResponse& encoded, const ReplyTo&) {
    fill_room(encoded.scores, view(scores));
  });
}

py::bytes encode_doubles(const py::tuple& to, const std::vector<double>& values) {
  return encode_result_of(
      to, DoublesRoom{values.size()}, [&](const DoublesRoom& room, const ReplyTo& address) {
        store_doubles(address.protocol, values.data(), values.size(), room.data);
      });
}

py::bytes encode_bool(const py::tuple& to, bool value) {
  return encode_result_of(to, value, [](bool, const ReplyTo&) {});
}

/// `outputs`: (name, datatype, shape, data) of each.
py::bytes encode_tensors(const py::tuple& to, const std::string& model_name,
                         const py::list& outputs) {
  using Output = std::tuple<std::string, std::int32_t, std::vector<std::int64_t>, py::bytes>;
  const auto sources = outputs.cast<std::vector<Output>>();
  std::vector<OutputTensor> tensors;
  tensors.reserve(sources.size());
  for (const auto& [name, datatype, shape, data] : sources) {
    tensors.push_back({name, static_cast<DataType>(datatype), shape, {view(data).size()}});
  }
  const InferResponse response{model_name, "1", {}, tensors, {}};
  return encode_result_of(to, response, [&](const InferResponse& encoded, const ReplyTo&) {
    for (std::size_t i = 0; i < sources.size(); ++i) {
      fill_room(encoded.outputs[i].data, view(std::get<3>(sources[i])));
    }
  });
}

py::bytes encode_scoring_error(const py::tuple& to, std::int32_t code, std::string_view message,
                               std::int32_t retry_after_ms) {
  const ReplyTo address = reply_to(to);
  const ScoringError error{static_cast<ErrorCode>(code), message, retry_after_ms != 0,
                           retry_after_ms};
  return encode_reply(
      reply_bytes_max(address, error),
      [&](std::span<std::byte> target) { return encode_error(target, address, error); }, [] {});
}

py::bytes encode_application_exception(const py::tuple& to, std::string_view message,
                                       std::int32_t type) {
  const ReplyTo address = reply_to(to);
  const ApplicationException exception{message, static_cast<ExceptionType>(type)};
  return encode_reply(
      reply_bytes_max(address, exception),
      [&](std::span<std::byte> target) { return encode_exception(target, address, exception); },
      [] {});
}

}  // namespace

void bind_wire(py::module_& module) {
  py::module_ part = module.def_submodule("wire", "The Thrift codec, for tests.");
  part.def("decode_call", &decode_call, py::arg("message"), py::arg("protocol"));
  part.def("split_stream", &split_stream, py::arg("stream"), py::arg("read_bytes"));
  part.def("encode_scores", &encode_scores, py::arg("to"), py::arg("fields"));
  part.def("encode_doubles", &encode_doubles, py::arg("to"), py::arg("values"));
  part.def("encode_bool", &encode_bool, py::arg("to"), py::arg("value"));
  part.def("encode_tensors", &encode_tensors, py::arg("to"), py::arg("model_name"),
           py::arg("outputs"));
  part.def("encode_error", &encode_scoring_error, py::arg("to"), py::arg("code"),
           py::arg("message"), py::arg("retry_after_ms"));
  part.def("encode_exception", &encode_application_exception, py::arg("to"), py::arg("message"),
           py::arg("code"));
}

}  // namespace thriftscore::python
