// SPDX-License-Identifier: Apache-2.0
#include "server/hot_call.h"

#include <array>
#include <limits>

namespace thriftscore::server {
namespace {

constexpr std::string_view kInputName = "features";
constexpr std::string_view kOutputName = "scores";
/** More than a reply has beside its rows and an id: names, versions, a request id, the envelope. */
constexpr std::size_t kReplyBytesBesideRows = 512;

}  // namespace

std::optional<Method> method_named(std::string_view name) noexcept {
  for (std::size_t index = 0; index < kMethodNames.size(); ++index) {
    if (name == kMethodNames[index]) return static_cast<Method>(index);
  }
  return std::nullopt;
}

wire::Status HotCall::decode(Method method, const wire::Call& call,
                             const wire::Limits& limits) noexcept {
  method_ = method;
  switch (method) {
    case Method::kScore:
      return decode_as<Score>(call, limits);
    case Method::kScoreValues:
      return decode_as<wire::ScoreValuesArguments>(call, limits);
    case Method::kScoreSparse:
      return decode_as<SparseScore>(call, limits);
    case Method::kNormalize:
    case Method::kDenormalize:
      return decode_as<Normalize>(call, limits);
    case Method::kInfer:
      return decode_as<Infer>(call, limits);
  }
  return wire::Status::kInvalidMessageType;
}

template <typename T>
wire::Status HotCall::decode_as(const wire::Call& call, const wire::Limits& limits) noexcept {
  auto& arguments = arguments_.emplace<T>();
  const wire::Status status = wire::decode_arguments(call, limits, arguments);
  if (status == wire::Status::kOk) take_names(arguments);
  return status;
}

template <typename Request>
void HotCall::take_names(const wire::Arguments<Request>& arguments) noexcept {
  model_name_ = arguments.request ? arguments.request->model_name : std::string_view();
  model_version_ = arguments.request ? arguments.request->model_version : std::string_view();
  context_ = arguments.request ? arguments.request->context : std::nullopt;
}

void HotCall::take_names(const wire::ScoreValuesArguments& arguments) noexcept {
  model_name_ = arguments.model_name.value_or(std::string_view());
  model_version_ = {};
  context_.reset();
}

bool HotCall::bind(const ServedVersion& served, const ServerOptions& options) {
  served_ = &served;
  work_ = RowWork{.model = served.model.get()};
  const bool bound =
      std::visit([this](const auto& arguments) { return bind_request(arguments); }, arguments_);
  return bound && fits(options);
}

/** Whether the work and the reply are of a size that one request may ask for. */
bool HotCall::fits(const ServerOptions& options) const noexcept {
  const bool made_dense = work_.kind == RowWork::Kind::kScoreSparse && !work_.model->takes_sparse();
  if (made_dense && work_.rows > options.sparse_cells_max / work_.model->columns()) return false;
  const bool listed = method_ == Method::kScoreValues;
  const std::size_t item_bytes = listed ? sizeof(double) : element_bytes(result_datatype());
  const std::size_t beside = kReplyBytesBesideRows + echoed_id().size();
  return beside <= options.frame_bytes_max &&
         work_.rows * result_columns() * item_bytes <= options.frame_bytes_max - beside;
}

std::string_view HotCall::echoed_id() const noexcept {
  const auto* const infer = std::get_if<Infer>(&arguments_);
  return infer == nullptr ? std::string_view() : infer->request->id.value_or(std::string_view());
}

bool HotCall::bind_request(const Score& arguments) noexcept {
  const auto& request = *arguments.request;
  return bind_rows(request.features, request.datatype, request.columns);
}

bool HotCall::bind_request(const Normalize& arguments) noexcept {
  const auto& request = *arguments.request;
  work_.kind =
      method_ == Method::kNormalize ? RowWork::Kind::kNormalize : RowWork::Kind::kDenormalize;
  return work_.model->description().has_normalizer &&
         bind_rows(request.values, request.datatype, request.columns);
}

bool HotCall::bind_request(const SparseScore& arguments) noexcept {
  const auto& request = *arguments.request;
  const std::size_t size = element_bytes(request.datatype);
  const std::size_t offsets = request.indptr.size() / sizeof(std::int64_t);
  const std::size_t stored = request.indices.size() / sizeof(std::int32_t);
  if (size == 0 || offsets == 0) return false;
  if (request.indptr.size() != offsets * sizeof(std::int64_t)) return false;
  if (request.indices.size() != stored * sizeof(std::int32_t)) return false;
  if (request.values.size() != stored * size) return false;
  work_.kind = RowWork::Kind::kScoreSparse;
  work_.datatype = request.datatype;
  work_.rows = offsets - 1;
  work_.input = request.values.data();
  work_.indptr = request.indptr;
  work_.indices = request.indices;
  return work_.rows != 0;  // what indptr says of no rows is for Python to look at
}

bool HotCall::bind_request(const Infer& arguments) noexcept {
  const auto& request = *arguments.request;
  const bool one_input = request.inputs.size() == 1 && !request.parameters;
  if (!one_input) return false;
  if (request.outputs && !request.outputs->empty()) {
    const auto output = *request.outputs->begin();
    if (request.outputs->size() != 1 || output.name != kOutputName || output.parameters) {
      return false;
    }
  }
  const auto tensor = *request.inputs.begin();
  const bool plain = tensor.name == kInputName && tensor.data && !tensor.contents &&
                     !tensor.parameters && tensor.shape.rank == 2;
  if (!plain || !bind_rows(*tensor.data, tensor.datatype, std::nullopt)) return false;
  return tensor.shape.extents[0] == static_cast<std::int64_t>(work_.rows) &&
         tensor.shape.extents[1] == static_cast<std::int64_t>(work_.model->columns());
}

bool HotCall::bind_request(const wire::ScoreValuesArguments& arguments) {
  if (!arguments.values || arguments.values->size() != work_.model->columns()) return false;
  row_.resize(work_.model->columns());
  scores_.resize(work_.model->outputs());
  wire::copy_to(*arguments.values, row_.data());
  work_.datatype = wire::DataType::kFp64;
  work_.rows = 1;
  work_.input = reinterpret_cast<const std::byte*>(row_.data());
  return true;
}

bool HotCall::bind_rows(wire::Bytes values, wire::DataType datatype,
                        std::optional<std::int32_t> columns) {
  const std::size_t row_bytes = element_bytes(datatype) * work_.model->columns();
  if (row_bytes == 0) return false;
  if (columns && *columns != static_cast<std::int64_t>(work_.model->columns())) return false;
  // Mostly one row, and a division takes as long as scoring it.
  work_.rows = values.size() == row_bytes ? 1 : values.size() / row_bytes;
  if (work_.rows * row_bytes != values.size()) return false;
  work_.datatype = datatype;
  work_.input = values.data();
  return true;
}

wire::DataType HotCall::result_datatype() const noexcept {
  const bool normalizes = std::holds_alternative<Normalize>(arguments_);
  return normalizes ? work_.datatype : output_datatype(*work_.model);
}

std::size_t HotCall::result_columns() const noexcept {
  const bool normalizes = std::holds_alternative<Normalize>(arguments_);
  return normalizes ? work_.model->columns() : work_.model->outputs();
}

std::size_t HotCall::result_bytes() const noexcept {
  return work_.rows * result_columns() * element_bytes(result_datatype());
}

std::size_t HotCall::encode(const wire::ReplyTo& to, ByteBuffer& into) {
  switch (method_) {
    case Method::kScore:
    case Method::kScoreSparse:
      return encode_rows(to, into, &wire::ScoreResponse::scores);
    case Method::kNormalize:
    case Method::kDenormalize:
      return encode_rows(to, into, &wire::NormalizeResponse::values);
    case Method::kInfer:
      return encode_infer(to, into);
    case Method::kScoreValues:
      return encode_values(to, into);
  }
  return 0;
}

template <typename T>
std::size_t HotCall::encode_result(const wire::ReplyTo& to, T& result, ByteBuffer& into) {
  const auto target = into.reserve(wire::reply_bytes_max(to, result));
  return wire::encode_result(target, to, result);
}

template <typename Response>
std::size_t HotCall::encode_rows(const wire::ReplyTo& to, ByteBuffer& into,
                                 wire::Room Response::*room) {
  Response response;
  (response.*room).size = result_bytes();
  response.datatype = result_datatype();
  response.rows = static_cast<std::int64_t>(work_.rows);
  response.columns = static_cast<std::int32_t>(result_columns());
  response.model_version = served_->version;
  if (context_) response.request_id = context_->request_id;
  const std::size_t size = encode_result(to, response, into);
  work_.output = (response.*room).data;
  return size;
}

std::size_t HotCall::encode_infer(const wire::ReplyTo& to, ByteBuffer& into) {
  const std::array<std::int64_t, 2> shape{static_cast<std::int64_t>(work_.rows),
                                          static_cast<std::int64_t>(result_columns())};
  std::array<wire::OutputTensor, 1> outputs{
      {{kOutputName, result_datatype(), shape, {.size = result_bytes()}}}};
  wire::InferResponse response;
  response.model_name = served_->model_name;
  response.model_version = served_->version;
  response.id = std::get<Infer>(arguments_).request->id;
  response.outputs = outputs;
  if (context_) response.request_id = context_->request_id;
  const std::size_t size = encode_result(to, response, into);
  work_.output = outputs[0].data.data;
  return size;
}

std::size_t HotCall::encode_values(const wire::ReplyTo& to, ByteBuffer& into) {
  wire::DoublesRoom room{.count = scores_.size()};
  const std::size_t size = encode_result(to, room, into);
  protocol_ = to.protocol;
  list_ = room.data;
  work_.output = reinterpret_cast<std::byte*>(scores_.data());
  return size;
}

RowOutcome HotCall::run(std::size_t first, std::size_t count, Scratch& scratch) const {
  const RowOutcome outcome = work_.run(first, count, scratch);
  if (method_ != Method::kScoreValues || outcome.state != RowOutcome::State::kDone) return outcome;
  if (output_datatype(*work_.model) == wire::DataType::kFp64) {
    wire::store_doubles(protocol_, scores_.data(), scores_.size(), list_);
  } else {
    const auto* const scores = reinterpret_cast<const float*>(scores_.data());
    wire::store_doubles(protocol_, scores, scores_.size(), list_);
  }
  return outcome;
}

}  // namespace thriftscore::server
