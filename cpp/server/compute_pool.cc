// SPDX-License-Identifier: Apache-2.0
#include "server/compute_pool.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace thriftscore::server {
namespace {

constexpr int kNiceness = 5;  // loops answer small requests while a large one is computed

}  // namespace

ComputePool::ComputePool(std::size_t threads, std::size_t jobs_max) : jobs_max_(jobs_max) {
  threads_.reserve(threads);
  for (std::size_t index = 0; index < threads; ++index) {
    threads_.emplace_back([this] { work(); });
  }
}

ComputePool::~ComputePool() { stop(); }

void ComputePool::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

bool ComputePool::submit(std::shared_ptr<Job> job) {
  {
    const std::scoped_lock lock(mutex_);
    if (stopping_ || jobs_.size() >= jobs_max_) return false;
    jobs_.push_back(std::move(job));
  }
  ready_.notify_all();
  return true;
}

void ComputePool::work() {
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness);
  while (auto job = join_next_job()) {
    run_blocks(*job);
    leave(job);
  }
}

// A job stays first in the queue, open for more threads, until its last block has been given out.
std::shared_ptr<Job> ComputePool::join_next_job() {
  std::unique_lock lock(mutex_);
  ready_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
  if (jobs_.empty()) return nullptr;
  auto job = jobs_.front();
  job->workers_.fetch_add(1);
  return job;
}

void ComputePool::leave(const std::shared_ptr<Job>& job) {
  bool last = false;
  {
    const std::scoped_lock lock(mutex_);
    std::erase(jobs_, job);  // no block is left, so no thread may join any more
    last = job->workers_.fetch_sub(1) == 1;
  }
  if (!last) return;
  job->run_block = nullptr;
  // They may own what owns the job, so none of them may stay behind.
  std::exchange(job->done, nullptr)(job->end_.load());
}

void ComputePool::run_blocks(Job& job) {
  while (true) {
    const std::size_t first = job.next_row_.fetch_add(job.block_rows);
    if (first >= job.rows) return;
    JobEnd stop = JobEnd::kDone;
    if (job.cancelled.load()) {
      stop = JobEnd::kCancelled;
    } else if (job.deadline_ns != 0 && now_ns() > job.deadline_ns) {
      stop = JobEnd::kDeadlinePassed;
    } else if (job.run_block(first, std::min(job.block_rows, job.rows - first))) {
      continue;
    }
    job.next_row_.store(job.rows);
    if (stop != JobEnd::kDone) job.end_.store(stop);
    return;
  }
}

}  // namespace thriftscore::server
