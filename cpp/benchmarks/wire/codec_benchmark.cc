// SPDX-License-Identifier: Apache-2.0
// Finding, decoding and answering one call, without scoring it.
#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <vector>

#include "wire/binary_writer.h"
#include "wire/compact_writer.h"
#include "wire/decode.h"
#include "wire/encode.h"
#include "wire/framer.h"
#include "wire/text.h"

namespace thriftscore::wire {
namespace {

/// score(ScoreRequest("model", "", features)), framed.
template <typename Writer>
std::vector<std::byte> framed_score(std::uint16_t features) {
  std::vector<std::byte> out(128 + features * sizeof(float));
  const std::vector<std::byte> content(features * sizeof(float));
  Writer writer(std::span<std::byte>(out).subspan(4));
  std::int16_t argument_id = 0;
  std::int16_t field_id = 0;
  writer.write_message(MessageType::kCall, "score", 1);
  writer.write_field(argument_id, 1, WireType::kStruct);
  writer.write_field(field_id, 1, WireType::kString);
  writer.write_binary(as_bytes("model"));
  writer.write_field(field_id, 2, WireType::kString);
  writer.write_binary({});
  writer.write_field(field_id, 3, WireType::kString);
  writer.write_binary(content);
  writer.write_field(field_id, 4, WireType::kI32);
  writer.write_i32(static_cast<std::int32_t>(DataType::kFp32));
  writer.write_stop();
  writer.write_stop();
  store<std::endian::big>(static_cast<std::uint32_t>(writer.written()), out.data());
  out.resize(4 + writer.written());
  return out;
}

template <typename Writer>
void score_call(benchmark::State& state) {
  const auto stream = framed_score<Writer>(static_cast<std::uint16_t>(state.range(0)));
  const Limits limits;
  Framer framer(limits);
  std::array<std::byte, 512> target{};
  for (auto _ : state) {
    const Outcome outcome = framer.next_message(stream);
    const auto& message = *std::get_if<Message>(&outcome);
    Call call;
    Arguments<ScoreRequest> arguments;
    Status status = read_call(message.protocol, message.payload, limits, call);
    if (status == Status::kOk) status = decode_arguments(call, limits, arguments);
    if (status != Status::kOk) return state.SkipWithError("the call was refused");
    ScoreResponse response{{4}, arguments.request->datatype, 1, 1, "1", {}};
    const ReplyTo to{message.transport, call.protocol, call.sequence_id, call.method};
    benchmark::DoNotOptimize(encode_result(target, to, response));
    std::memset(response.scores.data, 0, response.scores.size);
  }
}
BENCHMARK(score_call<BinaryWriter>)->Arg(32)->Arg(32'000);
BENCHMARK(score_call<CompactWriter>)->Arg(32)->Arg(32'000);

template <Protocol protocol>
void doubles(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  const std::vector<std::byte> source(count * kDoubleBytes);
  std::vector<double> values(count);
  for (auto _ : state) {
    load_doubles(protocol, source.data(), count, values.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(source.size()) * state.iterations());
}
BENCHMARK(doubles<Protocol::kBinary>)->Arg(1024);
BENCHMARK(doubles<Protocol::kCompact>)->Arg(1024);

/// The worst messages that are accepted, in time for a byte.
void skip_unknown(benchmark::State& state, Protocol protocol, std::vector<std::byte> arguments) {
  const Limits limits;
  const Call call{protocol, 1, 0, {}, "ping", arguments};
  if (check_arguments(call, limits) != Status::kOk) return state.SkipWithError("refused");
  for ([[maybe_unused]] auto _ : state) {
    benchmark::DoNotOptimize(check_arguments(call, limits));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(arguments.size()) * state.iterations());
}

constexpr std::size_t kElements = 1'000'000;

std::vector<std::byte> zeros_after(std::vector<std::byte> head) {
  head.resize(head.size() + kElements + 1);
  return head;
}

std::vector<std::byte> list_of(WireType element) {
  std::vector<std::byte> head(16);
  BinaryWriter writer(head);
  std::int16_t last_id = 0;
  writer.write_field(last_id, 99, WireType::kList);
  writer.write_list(element, kElements);
  head.resize(writer.written());
  return zeros_after(head);
}

std::vector<std::byte> compact_integers() {
  std::vector<std::byte> head(16);
  CompactWriter writer(head);
  std::int16_t last_id = 0;
  writer.write_field(last_id, 9, WireType::kList);
  writer.write_list(WireType::kI64, kElements);
  head.resize(writer.written());
  return zeros_after(head);
}

BENCHMARK_CAPTURE(skip_unknown, empty_structs, Protocol::kBinary, list_of(WireType::kStruct));
BENCHMARK_CAPTURE(skip_unknown, bools, Protocol::kBinary, list_of(WireType::kBool));
BENCHMARK_CAPTURE(skip_unknown, compact_integers, Protocol::kCompact, compact_integers());

}  // namespace
}  // namespace thriftscore::wire
