// SPDX-License-Identifier: Apache-2.0
#include "tests/server/messages.h"

#include <algorithm>

#include "wire/binary_writer.h"
#include "wire/compact_writer.h"
#include "wire/text.h"

namespace thriftscore::testing {
namespace {

using wire::BinaryWriter;
using wire::CompactWriter;
using wire::Protocol;
using wire::Transport;
using wire::WireType;

/// The fields of one struct.
template <typename Writer>
class Fields {
 public:
  explicit Fields(Writer& writer) : writer_(writer) {}
  ~Fields() { writer_.write_stop(); }

  void text(std::int16_t id, std::string_view value) {
    writer_.write_field(last_id_, id, WireType::kString);
    writer_.write_binary(wire::as_bytes(value));
  }
  void bytes(std::int16_t id, std::span<const std::byte> value) {
    writer_.write_field(last_id_, id, WireType::kString);
    writer_.write_binary(value);
  }
  void i32(std::int16_t id, std::int32_t value) {
    writer_.write_field(last_id_, id, WireType::kI32);
    writer_.write_i32(value);
  }
  void list(std::int16_t id, WireType element, std::size_t count) {
    writer_.write_field(last_id_, id, WireType::kList);
    writer_.write_list(element, count);
  }
  template <typename Fill>
  void structure(std::int16_t id, Fill fill) {
    writer_.write_field(last_id_, id, WireType::kStruct);
    Fields inner(writer_);
    fill(inner);
  }

 private:
  Writer& writer_;
  std::int16_t last_id_ = 0;
};

template <typename Writer, typename Fill>
Buffer message_with(wire::MessageType type, std::string_view method, std::int32_t sequence_id,
                    std::size_t bytes_max, Fill fill) {
  Buffer buffer(bytes_max + 1024);
  Writer writer(buffer);
  writer.write_message(type, method, sequence_id);
  {
    Fields fields(writer);
    fill(writer, fields);
  }
  if (!writer.fits()) throw std::runtime_error("bytes_max is too little");
  buffer.resize(writer.written());
  return buffer;
}

template <typename Fill>
Buffer call(const Format& format, std::string_view method, std::int32_t sequence_id,
            std::size_t bytes_max, Fill fill) {
  const auto type = wire::MessageType::kCall;
  const bool binary = format.protocol == Protocol::kBinary;
  return in_frame(format,
                  binary ? message_with<BinaryWriter>(type, method, sequence_id, bytes_max, fill)
                         : message_with<CompactWriter>(type, method, sequence_id, bytes_max, fill),
                  sequence_id);
}

template <typename Fields, typename Request>
void write_context(Fields& fields, std::int16_t id, const Request& request,
                   std::optional<std::int32_t> deadline_ms) {
  if (!request.request_id && !deadline_ms) return;
  fields.structure(id, [&](auto& context) {
    if (request.request_id) context.text(1, *request.request_id);
    if (deadline_ms) context.i32(2, *deadline_ms);
  });
}

void append_number(Buffer& out, std::size_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) {
    out.push_back(static_cast<std::byte>(value >> (8U * static_cast<unsigned>(i))));
  }
}

}  // namespace

std::vector<Format> all_formats() {
  std::vector<Format> formats;
  for (const auto transport : {Transport::kFramed, Transport::kUnframed, Transport::kHeader}) {
    for (const auto protocol : {Protocol::kBinary, Protocol::kCompact}) {
      formats.push_back({transport, protocol});
    }
  }
  return formats;
}

std::string name_of(const Format& format) {
  const std::string protocol = format.protocol == Protocol::kBinary ? "binary" : "compact";
  switch (format.transport) {
    case Transport::kFramed:
      return "framed_" + protocol;
    case Transport::kUnframed:
      return "unframed_" + protocol;
    case Transport::kHeader:
      return "header_" + protocol;
  }
  return "";
}

Buffer in_frame(const Format& format, const Buffer& message, std::int32_t sequence_id) {
  if (format.transport == Transport::kUnframed) return message;
  Buffer head;
  if (format.transport == Transport::kHeader) {
    append_number(head, 0x0fff0000, 4);
    append_number(head, static_cast<std::uint32_t>(sequence_id), 4);
    append_number(head, 1, 2);  // words of the section: protocol, no transforms, padding
    append_number(head, format.protocol == Protocol::kBinary ? 0 : 0x02000000, 4);
  }
  Buffer frame;
  append_number(frame, head.size() + message.size(), 4);
  return joined({frame, head, message});
}

Buffer rows_call(const Format& format, std::string_view method, const RowsRequest& request,
                 std::int32_t sequence_id) {
  return call(format, method, sequence_id, request.rows.size(), [&](auto&, auto& arguments) {
    arguments.structure(1, [&](auto& fields) {
      fields.text(1, request.model);
      if (!request.version.empty()) fields.text(2, request.version);
      fields.bytes(3, request.rows);
      fields.i32(4, static_cast<std::int32_t>(request.datatype));
      write_context(fields, 5, request, request.deadline_ms);
      if (request.columns) fields.i32(6, *request.columns);
    });
  });
}

Buffer sparse_call(const Format& format, const SparseRequest& request, std::int32_t sequence_id) {
  const auto indptr = tensor(request.indptr);
  const auto indices = tensor(request.indices);
  const std::size_t size = indptr.size() + indices.size() + request.values.size();
  return call(format, "score_sparse", sequence_id, size, [&](auto&, auto& arguments) {
    arguments.structure(1, [&](auto& fields) {
      fields.text(1, request.model);
      fields.bytes(3, indptr);
      fields.bytes(4, indices);
      fields.bytes(5, request.values);
      fields.i32(6, static_cast<std::int32_t>(request.datatype));
      write_context(fields, 7, request, std::nullopt);
    });
  });
}

Buffer infer_call(const Format& format, const RowsRequest& request, std::int64_t columns,
                  const std::string& id, std::int32_t sequence_id) {
  const std::size_t item = request.datatype == wire::DataType::kFp64 ? 8 : 4;
  const auto rows = static_cast<std::int64_t>(request.rows.size() / item) / columns;
  return call(format, "infer", sequence_id, request.rows.size(),
              [&](auto& writer, auto& arguments) {
                arguments.structure(1, [&](auto& fields) {
                  fields.text(1, request.model);
                  if (!request.version.empty()) fields.text(2, request.version);
                  fields.text(3, id);
                  fields.list(5, WireType::kStruct, 1);
                  {
                    Fields tensor(writer);
                    tensor.text(1, "features");
                    tensor.i32(2, static_cast<std::int32_t>(request.datatype));
                    tensor.list(3, WireType::kI64, 2);
                    writer.write_i64(rows);
                    writer.write_i64(columns);
                    tensor.bytes(4, request.rows);
                  }
                  write_context(fields, 7, request, request.deadline_ms);
                });
              });
}

Buffer values_call(const Format& format, const std::string& model,
                   const std::vector<double>& values, std::int32_t sequence_id) {
  return call(format, "score_values", sequence_id, values.size() * sizeof(double),
              [&](auto& writer, auto& arguments) {
                arguments.text(1, model);
                arguments.list(2, WireType::kDouble, values.size());
                for (const double value : values) writer.write_double(value);
              });
}

Buffer text_call(const Format& format, std::string_view method,
                 const std::optional<std::string>& text, std::int32_t sequence_id) {
  return call(format, method, sequence_id, text ? text->size() : 0, [&](auto&, auto& arguments) {
    if (text) arguments.text(1, *text);
  });
}

Buffer text_reply(Protocol protocol, std::string_view method, std::string_view text,
                  std::int32_t sequence_id) {
  const auto fill = [&](auto&, auto& fields) { fields.text(0, text); };
  const auto type = wire::MessageType::kReply;
  return protocol == Protocol::kBinary
             ? message_with<BinaryWriter>(type, method, sequence_id, text.size(), fill)
             : message_with<CompactWriter>(type, method, sequence_id, text.size(), fill);
}

Buffer joined(const std::vector<Buffer>& parts) {
  Buffer whole;
  for (const Buffer& part : parts) whole.insert(whole.end(), part.begin(), part.end());
  return whole;
}

}  // namespace thriftscore::testing
