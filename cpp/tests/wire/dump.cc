// SPDX-License-Identifier: Apache-2.0
#include "tests/wire/dump.h"

#include <bit>
#include <type_traits>

#include "wire/decode.h"

namespace thriftscore::wire {
namespace {

void append_hex(std::string& out, const void* data, std::size_t size) {
  constexpr char kDigits[] = "0123456789abcdef";
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < size; ++i) {
    out += kDigits[bytes[i] >> 4U];
    out += kDigits[bytes[i] & 15U];
  }
}

void append(std::string& out, bool value) { out += value ? "true" : "false"; }
void append(std::string& out, std::int32_t value) { out += std::to_string(value); }
void append(std::string& out, std::int64_t value) { out += std::to_string(value); }
void append(std::string& out, DataType value) { append(out, static_cast<std::int32_t>(value)); }
void append(std::string& out, Bytes value) { append_hex(out, value.data(), value.size()); }

void append(std::string& out, double value) {
  const auto bits = __builtin_bswap64(std::bit_cast<std::uint64_t>(value));
  append_hex(out, &bits, sizeof(bits));
}

/// "!" is escaped, too: no text starts like a refusal.
void append_escaped(std::string& out, std::string_view value) {
  for (const char c : value) {
    const bool is_plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '!';
    if (is_plain) {
      out += c;
    } else {
      out += "\\x";
      append_hex(out, &c, 1);
    }
  }
}

void append(std::string& out, std::string_view value) {
  out += '"';
  append_escaped(out, value);
  out += '"';
}

template <HasSchema T>
void append(std::string& out, const T& value);
template <typename T>
void append(std::string& out, const ListView<T>& list);

void append(std::string& out, const Shape& shape) {
  out += '[';
  for (const std::int64_t extent : shape.view()) {
    append(out, extent);
    out += ' ';
  }
  out += ']';
}

template <typename K, typename V>
void append(std::string& out, const std::pair<K, V>& pair) {
  append(out, pair.first);
  out += ':';
  append(out, pair.second);
}

template <typename K, typename V>
void append(std::string& out, const MapView<K, V>& map) {
  append(out, static_cast<const ListView<std::pair<K, V>>&>(map));
}

template <typename T>
void append(std::string& out, const ListView<T>& list) {
  out += '[';
  for (const T& element : list) {
    append(out, element);
    out += ' ';
  }
  out += ']';
}

template <typename T>
void append(std::string& out, const std::optional<T>& value) {
  if (value) append(out, *value);
}

template <typename T>
bool is_absent(const std::optional<T>& value) {
  return !value;
}
template <typename T>
bool is_absent(const T& /*value*/) {
  return false;
}

template <HasSchema T>
void append(std::string& out, const T& value) {
  out += '{';
  any_field<T>([&](const auto& field) {
    const auto& member = value.*field.member;
    if (is_absent(member)) return false;
    out += field.name;
    out += '=';
    append(out, member);
    out += ' ';
    return false;
  });
  out += '}';
}

template <typename T>
Status append_arguments(std::string& out, const Call& call, const Limits& limits) {
  T arguments;
  const Status status = decode_arguments(call, limits, arguments);
  if (status == Status::kOk) append(out, arguments);
  return status;
}

Status append_call(std::string& out, const Call& call, const Limits& limits) {
  const std::string_view method = call.method;
  if (method == "ping") return append_arguments<NoArguments>(out, call, limits);
  if (method == "score") return append_arguments<Arguments<ScoreRequest>>(out, call, limits);
  if (method == "score_sparse") {
    return append_arguments<Arguments<SparseScoreRequest>>(out, call, limits);
  }
  if (method == "normalize" || method == "denormalize") {
    return append_arguments<Arguments<NormalizeRequest>>(out, call, limits);
  }
  if (method == "infer") return append_arguments<Arguments<InferRequest>>(out, call, limits);
  if (method == "score_values") return append_arguments<ScoreValuesArguments>(out, call, limits);
  if (method == "score_named") return append_arguments<ScoreNamedArguments>(out, call, limits);
  return check_arguments(call, limits);
}

std::string refusal(Status status) { return "!" + std::string(name_of(status)); }

std::string name_of(Transport transport, Protocol protocol) {
  constexpr const char* kTransports[] = {"framed", "unframed", "header"};
  const std::string name = kTransports[static_cast<std::size_t>(transport)];
  return name + (protocol == Protocol::kBinary ? " binary " : " compact ");
}

}  // namespace

std::string dump_message(Protocol protocol, Bytes message, const Limits& limits) {
  Call call;
  Status status = read_call(protocol, message, limits, call);
  if (status != Status::kOk) return refusal(status);
  std::string out;
  append_escaped(out, call.service);
  if (!out.empty()) out += ':';
  append_escaped(out, call.method);
  out += '#' + std::to_string(call.sequence_id);
  status = append_call(out, call, limits);
  return status == Status::kOk ? out : refusal(status);
}

std::string dump_outcome(const Outcome& outcome, const Limits& limits) {
  if (const auto* need = std::get_if<NeedMore>(&outcome)) {
    return "need " + std::to_string(need->bytes);
  }
  if (const auto* reject = std::get_if<Reject>(&outcome)) {
    return "reject " + std::string(name_of(reject->reason));
  }
  const auto& message = std::get<Message>(outcome);
  std::string out = name_of(message.transport, message.protocol);
  message.headers.for_each([&](const InfoPair& pair) {
    append(out, pair.key);
    out += ':';
    append(out, pair.value);
    out += ' ';
  });
  return out + dump_message(message.protocol, message.payload, limits);
}

}  // namespace thriftscore::wire
