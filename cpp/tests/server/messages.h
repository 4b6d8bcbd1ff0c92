// SPDX-License-Identifier: Apache-2.0
// Builds requests and takes replies apart, for tests of the server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tests/server/client.h"
#include "wire/messages.h"
#include "wire/types.h"

namespace thriftscore::testing {

struct Format {
  wire::Transport transport = wire::Transport::kFramed;
  wire::Protocol protocol = wire::Protocol::kBinary;
};

/// All six, for ::testing::ValuesIn.
std::vector<Format> all_formats();
std::string name_of(const Format& format);

/// The bytes of `values`, as tensors have them.
template <typename T>
Buffer tensor(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

template <typename T>
std::vector<T> values_of(std::string_view tensor) {
  std::vector<T> values(tensor.size() / sizeof(T));
  tensor.copy(reinterpret_cast<char*>(values.data()), values.size() * sizeof(T));
  return values;
}

/// What score, normalize, denormalize and infer take.
struct RowsRequest {
  std::string model = "m";
  std::string version{};
  Buffer rows{};
  wire::DataType datatype = wire::DataType::kFp32;
  std::optional<std::string> request_id{};
  std::optional<std::int32_t> deadline_ms{};
  std::optional<std::int32_t> columns{};
};

struct SparseRequest {
  std::string model = "m";
  std::vector<std::int64_t> indptr{};
  std::vector<std::int32_t> indices{};
  Buffer values{};
  wire::DataType datatype = wire::DataType::kFp32;
  std::optional<std::string> request_id{};
};

// One call each, in its frame. `method` may have a service before it.
Buffer rows_call(const Format& format, std::string_view method, const RowsRequest& request,
                 std::int32_t sequence_id = 7);
Buffer sparse_call(const Format& format, const SparseRequest& request,
                   std::int32_t sequence_id = 7);
Buffer infer_call(const Format& format, const RowsRequest& request, std::int64_t columns,
                  const std::string& id, std::int32_t sequence_id = 7);
Buffer values_call(const Format& format, const std::string& model,
                   const std::vector<double>& values, std::int32_t sequence_id = 7);
/// A method with one text argument, or without any.
Buffer text_call(const Format& format, std::string_view method,
                 const std::optional<std::string>& text = {}, std::int32_t sequence_id = 7);

/// The reply of a Python method: `text` as its result. Without a frame.
Buffer text_reply(wire::Protocol protocol, std::string_view method, std::string_view text,
                  std::int32_t sequence_id);

/// `message` in the frame that `format` has.
Buffer in_frame(const Format& format, const Buffer& message, std::int32_t sequence_id = 7);

/// Any value of a reply. Numbers of all integer types, and bools, are std::int64_t.
struct Value {
  using List = std::vector<Value>;
  using Struct = std::map<int, Value>;
  std::variant<std::int64_t, double, std::string, List, Struct> content;

  const Value& field(int id) const { return std::get<Struct>(content).at(id); }
  bool has(int id) const { return std::get<Struct>(content).contains(id); }
  std::int64_t number() const { return std::get<std::int64_t>(content); }
  const std::string& text() const { return std::get<std::string>(content); }
};

struct Reply {
  int type = 0;  // 2 = reply, 3 = exception
  std::string method;
  std::int32_t sequence_id = 0;
  Value result;  // the struct after the head
  std::size_t bytes = 0;

  bool has_result() const { return type == 2 && result.has(0); }
  /// Of a reply that holds a result; throws if it holds an error.
  const Value& success() const { return result.field(0); }
  /// Code of the declared error; 0 if there is none.
  std::int64_t error_code() const;
  /// Type of a TApplicationException; -1 if it is none.
  std::int64_t exception_type() const;
};

/// The first reply in `stream`. Throws std::runtime_error for what is not complete or not Thrift.
Reply parse_reply(const Format& format, std::span<const std::byte> stream);
/// All of them.
std::vector<Reply> parse_replies(const Format& format, std::span<const std::byte> stream);
/// The bytes of the next reply.
Buffer receive_reply_bytes(Client& client, const Format& format = {});
Reply receive_reply(Client& client, const Format& format = {});

Buffer joined(const std::vector<Buffer>& parts);

}  // namespace thriftscore::testing
