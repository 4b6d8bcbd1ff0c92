// SPDX-License-Identifier: Apache-2.0
#include "server/responder.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "server/offloaded_call.h"
#include "server/refusals.h"

namespace thriftscore::server {
namespace {

constexpr std::string_view kServiceName = "ScoringService";
constexpr std::string_view kHttpReply =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    "Content-Length: 63\r\n\r\n"
    "This port speaks Apache Thrift. There is no HTTP port enabled.\n";
constexpr std::size_t kJoinedRowsMax = 64;
constexpr std::size_t kRequestIdBytesMax = 128;

bool context_is_valid(const std::optional<wire::RequestContext>& context) noexcept {
  if (!context) return true;
  return context->deadline_ms.value_or(0) >= 0 &&
         context->request_id.value_or(std::string_view()).size() <= kRequestIdBytesMax;
}

}  // namespace

Response Responder::respond(const wire::Message& message, Arrival arrival, Connection& connection) {
  if (view_.stale()) {
    if (!joined_.empty()) return {Disposition::kFlushFirst, nullptr};
    view_.refresh();
  }
  Incoming incoming{message, {}, {}, arrival.received_ns, began_ns_, connection};
  auto& call = incoming.call;
  const wire::Status status =
      wire::read_call(message.protocol, message.payload, shared_.limits, call);
  incoming.to = {message.transport, message.protocol, call.sequence_id, call.method};
  const bool ours = call.service.empty() || call.service == kServiceName;
  const bool readable = status == wire::Status::kOk && ours;
  const auto method = readable ? method_named(call.method) : std::nullopt;
  if (!joined_.empty() && method != Method::kScore) return {Disposition::kFlushFirst, nullptr};
  if (status != wire::Status::kOk) return refuse(status, incoming.to);
  if (!ours) {
    return write_exception(incoming.to, {"unknown service; this port serves ScoringService",
                                         wire::ExceptionType::kUnknownMethod});
  }
  if (method) return respond_hot(*method, incoming, arrival.more_behind);
  return call.method == "ping" ? answer_ping(incoming) : defer(incoming);
}

Response Responder::respond_hot(Method method, const Incoming& incoming, bool more_behind) {
  const wire::Status status = call_.decode(method, incoming.call, shared_.limits);
  const LoopChoice* choice = nullptr;
  if (status == wire::Status::kOk && context_is_valid(call_.context())) {
    choice = view_.find(call_.model_name(), call_.model_version(), call_.context());
  }
  LoopVersion* const version = choice == nullptr ? nullptr : choice->version;
  const bool bound = version != nullptr && call_.bind(*version->served, shared_.options);
  const bool late = bound && overdue(incoming);
  const bool company = more_behind || !joined_.empty();
  const bool joins = bound && !late && company && can_join(*choice);
  if (!joined_.empty() && !joins) return {Disposition::kFlushFirst, nullptr};
  view_.next_request();
  if (status != wire::Status::kOk) return refuse_hot(status, incoming);
  if (joins) return join(incoming, *choice);
  if (not_to_join_ > 0) --not_to_join_;
  if (!bound) return defer(incoming);
  if (late) return refuse_late(incoming, *version);
  const bool large = call_.work().estimated_ns() > shared_.options.inline_work_ns_max;
  return large ? offload(incoming, *choice) : answer_here(incoming, *choice);
}

Response Responder::answer_here(const Incoming& incoming, const LoopChoice& choice) {
  const Nanoseconds decoded_ns = now_ns();
  const std::size_t size = call_.encode(incoming.to, replies_);
  const Nanoseconds encoded_ns = now_ns();
  const RowOutcome outcome = call_.run(0, call_.work().rows, scratch_);
  if (outcome.state != RowOutcome::State::kDone) return defer(incoming);
  replies_.commit(size);
  const Nanoseconds computed_ns = began_ns_ = now_ns();  // of the next message
  auto& statistics = view_.successes(*choice.version, call_.method());
  statistics.record({.decode = decoded_ns - incoming.began_ns,
                     .queue = incoming.began_ns - incoming.received_ns,
                     .compute = computed_ns - encoded_ns,
                     .encode = encoded_ns - decoded_ns,
                     .total = computed_ns - incoming.received_ns,
                     .ended = computed_ns},
                    call_.work().rows);
  statistics.executions.add(1);
  if (choice.comparison != nullptr) [[unlikely]] {
    shared_.shadows->offer(choice.comparison, call_.work(), call_.work().output);
  }
  return {Disposition::kAnswered, nullptr};
}

bool Responder::can_join(const LoopChoice& choice) const noexcept {
  if (not_to_join_ > 0 || !call_.joinable()) return false;
  const auto rows = static_cast<Nanoseconds>(joined_.size() + 1);
  if (rows * call_.work().estimated_ns() > shared_.options.inline_work_ns_max) return false;
  if (joined_.empty()) return true;
  return joined_choice_->version == choice.version &&
         joined_choice_->comparison == choice.comparison &&
         joined_datatype_ == call_.work().datatype && joined_.size() < kJoinedRowsMax;
}

bool Responder::overdue(const Incoming& incoming) const noexcept {
  const auto deadline_ms = call_.context() ? call_.context()->deadline_ms.value_or(0) : 0;
  return deadline_ms > 0 && now_ns() - incoming.received_ns > milliseconds(deadline_ms);
}

Response Responder::join(const Incoming& incoming, const LoopChoice& choice) {
  const auto& work = call_.work();
  const auto* const row = work.input;
  const std::size_t row_bytes = work.model->columns() * element_bytes(work.datatype);
  const Nanoseconds decode_ns = now_ns() - incoming.began_ns;
  began_ns_ += decode_ns;  // of the next message
  joined_choice_ = &choice;
  joined_datatype_ = work.datatype;
  joined_features_.insert(joined_features_.end(), row, row + row_bytes);
  joined_.push_back({incoming.to,
                     call_.context() ? call_.context()->request_id : std::nullopt,
                     {.decode = decode_ns, .queue = incoming.began_ns - incoming.received_ns},
                     incoming.received_ns});
  return {Disposition::kJoined, nullptr};
}

bool Responder::flush() {
  if (joined_.empty()) return true;
  const Nanoseconds began_ns = now_ns();
  LoopVersion& version = *joined_choice_->version;
  const Model& model = *version.served->model;
  const std::size_t row_bytes = model.outputs() * element_bytes(output_datatype(model));
  joined_scores_.resize(joined_.size() * row_bytes);
  const RowWork work{.kind = RowWork::Kind::kScore,
                     .model = &model,
                     .datatype = joined_datatype_,
                     .rows = joined_.size(),
                     .input = joined_features_.data(),
                     .output = joined_scores_.data()};
  const bool done = work.run(0, work.rows, scratch_).state == RowOutcome::State::kDone;
  began_ns_ = now_ns();
  const Nanoseconds compute_ns = began_ns_ - began_ns;
  if (done) view_.successes(version, Method::kScore).executions.add(1);
  for (std::size_t index = 0; done && index < joined_.size(); ++index) {
    joined_[index].times.compute = compute_ns;
    answer_joined(joined_[index], std::span(joined_scores_).subspan(index * row_bytes, row_bytes));
  }
  if (!done) not_to_join_ = joined_.size();
  if (done && joined_choice_->comparison != nullptr) [[unlikely]] {
    shared_.shadows->offer(joined_choice_->comparison, work, work.output);
  }
  joined_.clear();
  joined_features_.clear();
  return done;
}

void Responder::answer_joined(const JoinedRow& row, std::span<const std::byte> scores) {
  const Nanoseconds began_ns = began_ns_;
  const auto& served = *joined_choice_->version->served;
  wire::ScoreResponse response;
  response.scores.size = scores.size();
  response.datatype = output_datatype(*served.model);
  response.rows = 1;
  response.columns = static_cast<std::int32_t>(served.model->outputs());
  response.model_version = served.version;
  response.request_id = row.request_id;
  write_result(row.to, response);
  std::memcpy(response.scores.data, scores.data(), scores.size());
  const Nanoseconds ended_ns = began_ns_ = now_ns();
  CallTimes times = row.times;
  times.encode = ended_ns - began_ns;
  times.total = ended_ns - row.received_ns;
  times.ended = ended_ns;
  view_.successes(*joined_choice_->version, Method::kScore).record(times, 1);
}

Response Responder::answer_ping(const Incoming& incoming) {
  wire::NoArguments arguments;
  const wire::Status status = wire::decode_arguments(incoming.call, shared_.limits, arguments);
  if (status != wire::Status::kOk) return refuse(status, incoming.to);
  if (!shared_.serving.load(std::memory_order_relaxed)) return defer(incoming);
  bool alive = true;
  write_result(incoming.to, alive);
  return {Disposition::kAnswered, nullptr};
}

Response Responder::offload(const Incoming& incoming, const LoopChoice& choice) {
  OffloadedCall::Origin origin{call_.method(),
                               choice.version->served,
                               choice.comparison,
                               incoming.to.transport,
                               incoming.to.protocol,
                               incoming.received_ns,
                               incoming.connection.reply_later()};
  auto message = incoming.connection.message_of_its_own(incoming.message);
  auto call = OffloadedCall::start(shared_, std::move(origin), std::move(message));
  if (call == nullptr) {  // and the message is gone with it, where the method's name was
    auto to = incoming.to;
    to.method = kMethodNames[static_cast<std::size_t>(call_.method())];
    return write_error(to, overloaded(kComputeQueueFull, shared_.options));
  }
  return {Disposition::kUnderWay, std::move(call)};
}

Response Responder::defer(const Incoming& incoming) {
  auto call = std::make_shared<DeferredCall>(
      DeferredCall{incoming.to.transport, incoming.to.protocol, incoming.to.sequence_id,
                   incoming.connection.message_of_its_own(incoming.message), incoming.received_ns,
                   incoming.connection.reply_later()});
  if (!shared_.deferred.push(call)) {
    return write_error(incoming.to, overloaded(kPythonQueueFull, shared_.options));
  }
  return {Disposition::kUnderWay, std::make_shared<QueuedCall>(shared_.deferred, call)};
}

Response Responder::refuse_late(const Incoming& incoming, const LoopVersion& version) {
  auto& failures = view_.failures(version, call_.method(), kTooLate.code);
  const Nanoseconds ended_ns = now_ns();
  failures.record({.total = ended_ns - incoming.received_ns, .ended = ended_ns}, call_.work().rows);
  return write_error(incoming.to, kTooLate);
}

/** What is well-formed Thrift but wrong is worded by Python. */
Response Responder::refuse_hot(wire::Status status, const Incoming& incoming) {
  const bool well_formed = wire::answer_to(status) == wire::Answer::kInvalidArgument;
  return well_formed ? defer(incoming) : refuse(status, incoming.to);
}

Response Responder::refuse(wire::Status status, const wire::ReplyTo& to) {
  switch (wire::answer_to(status)) {
    case wire::Answer::kException:
      return write_exception(to, {wire::describe(status), wire::exception_type(status)});
    case wire::Answer::kInvalidArgument:
      return write_error(to, {wire::ErrorCode::kInvalidArgument, wire::describe(status)});
    default:
      return {Disposition::kClose, nullptr};
  }
}

void Responder::reject(const wire::Reject& reject) {
  if (reject.reason == wire::Status::kHttp) {
    return replies_.append(std::as_bytes(std::span(kHttpReply)));
  }
  static_cast<void>(refuse(reject.reason, {reject.transport, reject.call.protocol,
                                           reject.call.sequence_id, reject.call.method}));
}

void Responder::abandon() noexcept {
  joined_.clear();
  joined_features_.clear();
  not_to_join_ = 0;
  clear_replies();
}

template <typename T>
void Responder::write_result(const wire::ReplyTo& to, T& result) {
  const auto target = replies_.reserve(wire::reply_bytes_max(to, result));
  replies_.commit(wire::encode_result(target, to, result));
}

Response Responder::write_error(const wire::ReplyTo& to, const wire::ScoringError& error) {
  append_error(replies_, to, error);
  return {Disposition::kAnswered, nullptr};
}

Response Responder::write_exception(const wire::ReplyTo& to,
                                    const wire::ApplicationException& exception) {
  append_exception(replies_, to, exception);
  return {Disposition::kAnswered, nullptr};
}

}  // namespace thriftscore::server
