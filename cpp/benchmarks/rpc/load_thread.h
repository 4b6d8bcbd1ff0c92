// SPDX-License-Identifier: Apache-2.0
// The loop that keeps connections under load.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "benchmarks/rpc/load_connection.h"
#include "benchmarks/rpc/load_run.h"

namespace thriftscore::benchmarks {

/// The connections of one thread and its loop. Used by one thread, but for latency().
class LoadThread {
 public:
  /// `options` and `plan` must outlive it. Takes each `options.threads`-th connection, beginning
  /// with `index`. Throws UsageError where the requests under way would need too much memory.
  LoadThread(const LoadOptions& options, const ConnectionPlan& plan, std::size_t index);

  /// Connects. Throws std::system_error, or UsageError for an endpoint that cannot be one.
  void connect(const Endpoint& endpoint);

  /// Sends and receives until the schedule is over and all is answered, or nothing comes any more.
  /// Throws std::system_error.
  void run(const Schedule& schedule);

  [[nodiscard]] const LoadCounts& counts() const noexcept { return counts_; }
  /// Any thread may ask, at any time.
  [[nodiscard]] const server::LatencyHistogram& latency() const noexcept { return counts_.latency; }

 private:
  struct Slot {
    explicit Slot(LoadConnection under_load) : connection(std::move(under_load)) {}
    LoadConnection connection;
    bool is_ready = false;        // in ready_
    bool is_changed = false;      // in changed_
    bool waits_to_write = false;  // watched for it
  };

  void step();
  [[nodiscard]] int wait_at_most_ms() const;
  void receive(Slot& slot);
  void on_answer(const Answer& answer) noexcept;
  void lose(Slot& slot);
  void offer(Slot& slot);
  void send_due(server::Nanoseconds now);
  void begin(Slot& slot, server::Nanoseconds start);
  void mark_changed(Slot& slot);
  void flush_changed();
  void update_phase(server::Nanoseconds now);
  void stop_sending();
  void give_up();
  [[nodiscard]] bool is_measured(server::Nanoseconds start) const noexcept;

  const LoadOptions* options_;
  const ConnectionPlan* plan_;
  std::size_t index_;
  std::vector<epoll_event> events_;
  std::size_t requests_max_;
  Schedule schedule_;
  LoadCounts counts_;
  FileDescriptor epoll_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::deque<Slot*> ready_;     // open loop: may take a request, in turn
  std::vector<Slot*> changed_;  // may have something to be written
  std::optional<Arrivals> arrivals_;
  std::vector<std::byte> buffer_;
  std::uint64_t outstanding_ = 0;
  std::uint64_t measured_begun_ = 0;
  server::Nanoseconds last_activity_ = 0;  // an answer, or the first request after a pause
  double cpu_before_s_ = -1;               // negative: not measured yet
  bool is_sending_ = true;
  bool is_over_ = false;
};

}  // namespace thriftscore::benchmarks
