// SPDX-License-Identifier: Apache-2.0
// What an event loop counts besides requests.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace thriftscore::server {

/** Counts of one writer, readable by any thread. */
class Counter {
 public:
  void add(std::uint64_t amount) noexcept { set(value() + amount); }
  void subtract(std::uint64_t amount) noexcept { set(value() - amount); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  void set(std::uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  std::atomic<std::uint64_t> value_{0};
};

/** Why a connection ended. */
enum class CloseReason : std::uint8_t {
  kNone,
  kPeer,        // the client closed it, or the network did
  kRejected,    // its bytes were refused; which kind is counted by wire::Status
  kSlowSender,  // a message took longer than message_timeout_ms
  kSlowReader,  // replies waited longer than write_timeout_ms, or were too many
  kIdle,        // nothing happened for idle_timeout_ms
  kOverLimit,   // more than connections_max
  kDraining,    // the server is stopping
  kFailed,      // the server failed at it: memory ran out
};
inline constexpr std::array<std::string_view, 9> kCloseReasonNames{
    "none", "peer",       "rejected", "slow_sender", "slow_reader",
    "idle", "over_limit", "draining", "failed"};

/** One set for each loop. */
struct LoopCounters {
  Counter connections;  // open now
  Counter connections_accepted;
  Counter bytes_in;
  Counter bytes_out;
  Counter calls_under_way;  // with Python or the compute pool
  std::array<Counter, kCloseReasonNames.size()> closed;
  std::array<Counter, 64> refused;  // by wire::Status
};

}  // namespace thriftscore::server
