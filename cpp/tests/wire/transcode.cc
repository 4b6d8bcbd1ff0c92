// SPDX-License-Identifier: Apache-2.0
#include "tests/wire/transcode.h"

#include <string>

#include "wire/binary_reader.h"
#include "wire/binary_writer.h"
#include "wire/compact_writer.h"
#include "wire/decode.h"
#include "wire/read_struct.h"

namespace thriftscore::wire {
namespace {

template <typename Writer>
class CallWriter {
 public:
  explicit CallWriter(std::size_t bytes_max) : out_(bytes_max), writer_(out_) {}

  Buffer finish(const Call& call) {
    std::string name(call.service);
    name += name.empty() ? "" : ":";
    name += call.method;
    Buffer head(64 + name.size());
    Writer head_writer(head);
    head_writer.write_message(MessageType::kCall, name, call.sequence_id);
    head.resize(head_writer.written());
    out_.resize(writer_.written());
    return join({head, out_});
  }

  template <HasSchema T>
  void write(const T& value) {
    std::int16_t last_id = 0;
    any_field<T>([&](const auto& field) {
      write_field(last_id, field.id, value.*field.member);
      return false;
    });
    writer_.write_stop();
  }

 private:
  template <typename T>
  void write_field(std::int16_t& last_id, std::int16_t id, const std::optional<T>& value) {
    if (value) write_field(last_id, id, *value);
  }
  void write_field(std::int16_t& last_id, std::int16_t id, bool value) {
    writer_.write_bool_field(last_id, id, value);
  }
  template <typename T>
  void write_field(std::int16_t& last_id, std::int16_t id, const T& value) {
    writer_.write_field(last_id, id, wire_type_of<T>);
    write(value);
  }

  void write(bool value) { writer_.write_bool(value); }
  void write(std::int32_t value) { writer_.write_i32(value); }
  void write(std::int64_t value) { writer_.write_i64(value); }
  void write(DataType value) { writer_.write_i32(static_cast<std::int32_t>(value)); }
  void write(double value) { writer_.write_double(value); }
  void write(Bytes value) { writer_.write_binary(value); }
  void write(std::string_view value) { writer_.write_binary(as_bytes(value)); }

  void write(const Shape& shape) {
    writer_.write_list(WireType::kI64, shape.rank);
    for (const std::int64_t extent : shape.view()) write(extent);
  }

  template <typename T>
  void write(const ListView<T>& list) {
    writer_.write_list(wire_type_of<T>, list.size());
    for (const T& element : list) write(element);
  }

  template <typename K, typename V>
  void write(const MapView<K, V>& map) {
    writer_.write_map(wire_type_of<K>, wire_type_of<V>, map.size());
    for (const auto& [key, value] : map) {
      write(key);
      write(value);
    }
  }

  Buffer out_;
  Writer writer_;
};

template <typename T>
std::optional<Buffer> transcode_arguments(const Call& call, Protocol target) {
  T arguments;
  if (decode_arguments(call, Limits{}, arguments) != Status::kOk) return std::nullopt;
  // Fields that were absent are written with their defaults; no value grows more than tenfold.
  const std::size_t bytes_max = 1000 + 100 * call.arguments.size();
  if (target == Protocol::kBinary) {
    CallWriter<BinaryWriter> writer(bytes_max);
    writer.write(arguments);
    return writer.finish(call);
  }
  CallWriter<CompactWriter> writer(bytes_max);
  writer.write(arguments);
  return writer.finish(call);
}

}  // namespace

std::optional<Buffer> transcode(Protocol protocol, Bytes message, Protocol target) {
  Call call;
  if (read_call(protocol, message, Limits{}, call) != Status::kOk) return std::nullopt;
  const std::string_view method = call.method;
  if (method == "ping") return transcode_arguments<NoArguments>(call, target);
  if (method == "score") return transcode_arguments<Arguments<ScoreRequest>>(call, target);
  if (method == "score_sparse") {
    return transcode_arguments<Arguments<SparseScoreRequest>>(call, target);
  }
  if (method == "normalize") return transcode_arguments<Arguments<NormalizeRequest>>(call, target);
  if (method == "infer") return transcode_arguments<Arguments<InferRequest>>(call, target);
  if (method == "score_values") return transcode_arguments<ScoreValuesArguments>(call, target);
  if (method == "score_named") return transcode_arguments<ScoreNamedArguments>(call, target);
  return std::nullopt;
}

}  // namespace thriftscore::wire
