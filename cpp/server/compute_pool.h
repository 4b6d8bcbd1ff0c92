// SPDX-License-Identifier: Apache-2.0
// Threads for requests whose work would hold up an event loop.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "server/clock.h"

namespace thriftscore::server {

/** How a job ended. */
enum class JobEnd { kDone, kDeadlinePassed, kCancelled };

/**
 * Work over `rows` rows, done in blocks of `block_rows` by any number of threads at once.
 * The deadline and the cancellation are looked at between blocks.
 */
struct Job {
  std::size_t rows = 0;
  std::size_t block_rows = 1;
  Nanoseconds deadline_ns = 0;                                          // of now_ns(); 0 = none
  std::function<bool(std::size_t first, std::size_t count)> run_block;  // false stops the job
  /** Called once, on a pool thread, after the last block; then both functions are dropped. */
  std::function<void(JobEnd)> done;
  std::atomic<bool> cancelled{false};

 private:
  friend class ComputePool;
  std::atomic<std::size_t> next_row_{0};
  std::atomic<std::size_t> workers_{0};
  std::atomic<JobEnd> end_{JobEnd::kDone};
};

/** A fixed number of threads, of lower priority than the loops, over a bounded queue of jobs. */
class ComputePool {
 public:
  ComputePool(std::size_t threads, std::size_t jobs_max);
  ~ComputePool();
  ComputePool(const ComputePool&) = delete;
  ComputePool& operator=(const ComputePool&) = delete;

  /** False if the queue is full; the job then has not been touched. */
  bool submit(std::shared_ptr<Job> job);

  /** Finishes the jobs that are queued and ends the threads. Does nothing the second time. */
  void stop();

 private:
  void work();
  std::shared_ptr<Job> join_next_job();
  void leave(const std::shared_ptr<Job>& job);
  static void run_blocks(Job& job);

  const std::size_t jobs_max_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::shared_ptr<Job>> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace thriftscore::server
