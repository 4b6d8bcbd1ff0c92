// SPDX-License-Identifier: Apache-2.0
#include "wire/decode.h"

#include "wire/binary_reader.h"
#include "wire/compact_reader.h"
#include "wire/doubles.h"
#include "wire/read_struct.h"

namespace thriftscore::wire {
namespace {

constexpr Limits kLimits{.nesting_max = kNestingCapacity, .values_max = 0xffffffffU};

template <typename Reader, typename T>
[[gnu::flatten]] Status decode(const Call& call, const Limits& limits, T& arguments) noexcept {
  Reader reader(call.arguments, limits);
  if (!read_struct(reader, arguments)) return reader.status();
  return reader.available() == 0 ? Status::kOk : Status::kTrailingBytes;
}

template <typename Reader, typename T>
bool read_element(Reader& reader, T& value) noexcept {
  return read_value(reader, value);
}

template <typename Reader, typename K, typename V>
bool read_element(Reader& reader, std::pair<K, V>& value) noexcept {
  return read_value(reader, value.first) && read_value(reader, value.second);
}

template <typename Reader, typename T>
T take(Elements& elements) noexcept {
  Reader reader(elements.bytes, kLimits);
  T value{};
  static_cast<void>(read_element(reader, value));  // it was read before, so it can be read again
  elements.bytes = elements.bytes.last(reader.available());
  return value;
}

}  // namespace

template <typename T>
T take_element(Elements& elements) noexcept {
  return elements.protocol == Protocol::kBinary ? take<BinaryReader, T>(elements)
                                                : take<CompactReader, T>(elements);
}

template <typename T>
Status decode_arguments(const Call& call, const Limits& limits, T& arguments) noexcept {
  return call.protocol == Protocol::kBinary ? decode<BinaryReader>(call, limits, arguments)
                                            : decode<CompactReader>(call, limits, arguments);
}

void copy_to(const ListView<double>& list, double* values) noexcept {
  const Elements& elements = list.elements_;
  load_doubles(elements.protocol, elements.bytes.data(), elements.count, values);
}

template Status decode_arguments(const Call&, const Limits&, NoArguments&) noexcept;
template Status decode_arguments(const Call&, const Limits&, Arguments<ScoreRequest>&) noexcept;
template Status decode_arguments(const Call&, const Limits&,
                                 Arguments<SparseScoreRequest>&) noexcept;
template Status decode_arguments(const Call&, const Limits&, Arguments<NormalizeRequest>&) noexcept;
template Status decode_arguments(const Call&, const Limits&, Arguments<InferRequest>&) noexcept;
template Status decode_arguments(const Call&, const Limits&, ScoreValuesArguments&) noexcept;
template Status decode_arguments(const Call&, const Limits&, ScoreNamedArguments&) noexcept;

template bool take_element(Elements&) noexcept;
template std::int32_t take_element(Elements&) noexcept;
template std::int64_t take_element(Elements&) noexcept;
template double take_element(Elements&) noexcept;
template Bytes take_element(Elements&) noexcept;
template Tensor take_element(Elements&) noexcept;
template InferRequestedOutput take_element(Elements&) noexcept;
template std::pair<std::string_view, InferParameter> take_element(Elements&) noexcept;
template std::pair<std::string_view, double> take_element(Elements&) noexcept;

}  // namespace thriftscore::wire
