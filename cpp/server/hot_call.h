// SPDX-License-Identifier: Apache-2.0
// A request of the score family, from its bytes to its reply.
#pragma once

#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "server/byte_buffer.h"
#include "server/catalog.h"
#include "server/options.h"
#include "server/row_work.h"
#include "server/statistics.h"
#include "wire/decode.h"
#include "wire/encode.h"

namespace thriftscore::server {

/** The method of the score family that is called `name`. */
std::optional<Method> method_named(std::string_view name) noexcept;

/**
 * Goes through decode(), bind(), encode() and run() in this order; then it can be used for another
 * request, with the memory it has. Texts and bytes point into the message, which must outlive it.
 */
class HotCall {
 public:
  /** Decodes the arguments. After anything but kOk the call can only be decoded again. */
  wire::Status decode(Method method, const wire::Call& call, const wire::Limits& limits) noexcept;

  Method method() const noexcept { return method_; }
  std::string_view model_name() const noexcept { return model_name_; }
  std::string_view model_version() const noexcept { return model_version_; }
  const std::optional<wire::RequestContext>& context() const noexcept { return context_; }

  /**
   * Checks the request against the model. False: it is not for this path, because it is wrong, or
   * may have a reply over `frame_bytes_max` or cells over `sparse_cells_max`, or is of a form
   * that only Python takes.
   */
  bool bind(const ServedVersion& served, const ServerOptions& options);

  const RowWork& work() const noexcept { return work_; }
  const ServedVersion& served() const noexcept { return *served_; }

  /** Reserves the reply at the end of `into`, complete but for the scores; returns its size. */
  std::size_t encode(const wire::ReplyTo& to, ByteBuffer& into);

  /** Does rows `first` to first + count of work(), into the encoded reply. */
  RowOutcome run(std::size_t first, std::size_t count, Scratch& scratch) const;

  /** True if the request is one row of `score` that can be scored together with others. */
  bool joinable() const noexcept {
    return method_ == Method::kScore && work_.kind == RowWork::Kind::kScore && work_.rows == 1;
  }

 private:
  using Score = wire::Arguments<wire::ScoreRequest>;
  using SparseScore = wire::Arguments<wire::SparseScoreRequest>;
  using Normalize = wire::Arguments<wire::NormalizeRequest>;
  using Infer = wire::Arguments<wire::InferRequest>;

  template <typename T>
  wire::Status decode_as(const wire::Call& call, const wire::Limits& limits) noexcept;
  template <typename Request>
  void take_names(const wire::Arguments<Request>& arguments) noexcept;
  void take_names(const wire::ScoreValuesArguments& arguments) noexcept;

  bool bind_request(const Score& arguments) noexcept;
  bool bind_request(const SparseScore& arguments) noexcept;
  bool bind_request(const Normalize& arguments) noexcept;
  bool bind_request(const Infer& arguments) noexcept;
  bool bind_request(const wire::ScoreValuesArguments& arguments);
  bool bind_rows(wire::Bytes values, wire::DataType datatype, std::optional<std::int32_t> columns);

  bool fits(const ServerOptions& options) const noexcept;
  std::string_view echoed_id() const noexcept;

  template <typename T>
  std::size_t encode_result(const wire::ReplyTo& to, T& result, ByteBuffer& into);
  template <typename Response>
  std::size_t encode_rows(const wire::ReplyTo& to, ByteBuffer& into, wire::Room Response::*room);
  std::size_t encode_infer(const wire::ReplyTo& to, ByteBuffer& into);
  std::size_t encode_values(const wire::ReplyTo& to, ByteBuffer& into);

  wire::DataType result_datatype() const noexcept;
  std::size_t result_columns() const noexcept;
  std::size_t result_bytes() const noexcept;

  Method method_ = Method::kScore;
  std::variant<Score, SparseScore, Normalize, Infer, wire::ScoreValuesArguments> arguments_;
  std::string_view model_name_;
  std::string_view model_version_;
  std::optional<wire::RequestContext> context_;
  const ServedVersion* served_ = nullptr;
  RowWork work_;
  // score_values: its row and its scores, between the kernels and a list of the wire's doubles.
  wire::Protocol protocol_ = wire::Protocol::kBinary;
  std::byte* list_ = nullptr;
  std::vector<double> row_;
  mutable std::vector<double> scores_;
};

}  // namespace thriftscore::server
