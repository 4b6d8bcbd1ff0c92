// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/rpc/request.h"

#include <array>
#include <cstring>

#include "benchmarks/rpc/command_line.h"
#include "wire/binary_writer.h"
#include "wire/compact_writer.h"
#include "wire/encode.h"
#include "wire/text.h"

namespace thriftscore::benchmarks {
namespace {

using wire::WireType;

constexpr std::size_t kCallBytesMax = std::size_t{1} << 30;
/// More than a call has beside its values, names and model name.
constexpr std::size_t kCallBytesOverhead = 512;
constexpr std::size_t kValueBytesMax = 8 + 16;  // a double, and the lengths around it
constexpr std::size_t kHeaderSequenceIdAt = 8;  // length, magic and flags come before it

bool takes_one_row(Method method) noexcept {
  return method == Method::kScoreValues || method == Method::kScoreNamed;
}

void check(const RequestOptions& options) {
  if (takes_one_row(options.method) && options.rows != 1) {
    throw UsageError("--rows: expected 1 for " + std::string(name_of(options.method)) +
                     ", received " + std::to_string(options.rows));
  }
  const std::size_t names = options.feature_names.size();
  if (names != 0 && names != options.features) {
    throw UsageError("--feature-name: expected one for each of the " +
                     std::to_string(options.features) + " features, received " +
                     std::to_string(names));
  }
  if (options.features != 0 && options.rows > kCallBytesMax / options.features) {
    throw UsageError("--rows: the request would be larger than 1 GiB");
  }
}

std::size_t call_bytes_max(const RequestOptions& options) {
  std::size_t bytes = kCallBytesOverhead + options.model.size();
  for (const std::string& name : options.feature_names) bytes += name.size();
  bytes += options.rows * options.features * kValueBytesMax;
  if (bytes > kCallBytesMax) throw UsageError("--rows: the request would be larger than 1 GiB");
  return bytes;
}

/// The content of one request, in row order.
std::vector<double> random_values(const RequestOptions& options) {
  std::mt19937_64 generator(options.seed);
  std::uniform_real_distribution<double> uniform(-1.0, 1.0);
  std::vector<double> values(options.rows * options.features);
  for (double& value : values) value = uniform(generator);
  return values;
}

template <typename T>
std::vector<std::byte> little_endian_bytes(const std::vector<double>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const T value = static_cast<T>(values[i]);
    std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
  }
  return bytes;
}

template <typename Writer>
void write_text(Writer& writer, std::int16_t& last_id, std::int16_t id, std::string_view text) {
  writer.write_field(last_id, id, WireType::kString);
  writer.write_binary(wire::as_bytes(text));
}

template <typename Writer>
void write_values(Writer& writer, std::int16_t last_id, const RequestOptions& options) {
  const std::vector<double> values = random_values(options);
  writer.write_field(last_id, 2, WireType::kList);
  writer.write_list(WireType::kDouble, values.size());
  for (const double value : values) writer.write_double(value);
}

template <typename Writer>
void write_named(Writer& writer, std::int16_t last_id, const RequestOptions& options) {
  const std::vector<double> values = random_values(options);
  writer.write_field(last_id, 2, WireType::kMap);
  writer.write_map(WireType::kString, WireType::kDouble, values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool has_names = !options.feature_names.empty();
    const std::string name =
        has_names ? options.feature_names[i] : std::string("f").append(std::to_string(i));
    writer.write_binary(wire::as_bytes(name));
    writer.write_double(values[i]);
  }
}

}  // namespace

std::string_view name_of(Method method) noexcept {
  constexpr std::array<std::string_view, 4> kNames{"ping", "score", "score_values", "score_named"};
  return kNames[static_cast<std::size_t>(method)];
}

void write_request_id(std::uint64_t number, std::byte* target) noexcept {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (std::size_t i = kRequestIdBytes; i-- > 0; number >>= 4U) {
    target[i] = static_cast<std::byte>(kDigits[number & 0xfU]);
  }
}

RequestTemplate::RequestTemplate(const RequestOptions& options)
    : is_compact_(options.protocol == wire::Protocol::kCompact),
      has_header_(options.transport == wire::Transport::kHeader) {
  check(options);
  const std::vector<std::byte> call = is_compact_ ? write_call<wire::CompactWriter>(options)
                                                  : write_call<wire::BinaryWriter>(options);
  const wire::ReplyTo envelope{
      options.transport, options.protocol, kSequenceIdFirst, name_of(options.method), {}};
  bytes_.resize(wire::envelope_bytes_max(envelope, call));
  bytes_.resize(wire::encode_envelope(bytes_, envelope, call));
  const std::size_t before = bytes_.size() - call.size();
  sequence_id_at_ += before;
  if (request_id_at_) *request_id_at_ += before;
}

template <typename Writer>
std::vector<std::byte> RequestTemplate::write_call(const RequestOptions& options) {
  const std::string_view method = name_of(options.method);
  std::vector<std::byte> call(call_bytes_max(options));
  Writer writer{std::span<std::byte>(call)};
  writer.write_message(wire::MessageType::kCall, method, kSequenceIdFirst);
  // The binary protocol has the sequence id after the name, the compact before it.
  sequence_id_at_ = is_compact_ ? 2 : writer.written() - 4;
  std::int16_t last_id = 0;
  if (options.method == Method::kScore) write_score(writer, options);
  if (takes_one_row(options.method)) write_text(writer, last_id, 1, options.model);
  if (options.method == Method::kScoreValues) write_values(writer, last_id, options);
  if (options.method == Method::kScoreNamed) write_named(writer, last_id, options);
  writer.write_stop();
  call.resize(writer.written());
  return call;
}

template <typename Writer>
void RequestTemplate::write_score(Writer& writer, const RequestOptions& options) {
  const std::vector<double> values = random_values(options);
  const bool is_double = options.datatype == wire::DataType::kFp64;
  std::int16_t argument_id = 0;
  std::int16_t last_id = 0;
  writer.write_field(argument_id, 1, WireType::kStruct);
  write_text(writer, last_id, 1, options.model);
  writer.write_field(last_id, 3, WireType::kString);
  writer.write_binary(is_double ? little_endian_bytes<double>(values)
                                : little_endian_bytes<float>(values));
  writer.write_field(last_id, 4, WireType::kI32);
  writer.write_i32(static_cast<std::int32_t>(options.datatype));
  if (options.with_request_id) {
    std::int16_t context_id = 0;
    const std::string room(kRequestIdBytes, '0');
    writer.write_field(last_id, 5, WireType::kStruct);
    write_text(writer, context_id, 1, room);
    request_id_at_ = writer.written() - kRequestIdBytes;
    writer.write_stop();
  }
  writer.write_stop();
}

void RequestTemplate::patch(std::byte* copy, std::int32_t sequence_id,
                            std::uint64_t request_id) const noexcept {
  if (has_header_) wire::store<std::endian::big>(sequence_id, copy + kHeaderSequenceIdAt);
  std::byte* const target = copy + sequence_id_at_;
  if (is_compact_) {
    const auto bits = static_cast<std::uint32_t>(sequence_id);
    for (unsigned i = 0; i < 4; ++i) {
      const std::uint32_t more = i < 3 ? 0x80U : 0U;
      target[i] = static_cast<std::byte>((bits >> (7 * i) & 0x7fU) | more);
    }
  } else {
    wire::store<std::endian::big>(sequence_id, target);
  }
  if (request_id_at_) write_request_id(request_id, copy + *request_id_at_);
}

}  // namespace thriftscore::benchmarks
