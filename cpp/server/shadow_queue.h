// SPDX-License-Identifier: Apache-2.0
// Copies of answered rows on their way from the event loops to the shadow's thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#include "server/comparison.h"
#include "server/row_work.h"

namespace thriftscore::server {

/** What is set about the queue. All it holds counts until it has been scored. */
struct ShadowLimits {
  std::size_t requests_max = 4'096;
  std::size_t bytes_max = std::size_t{64} << 20;
};

/** The rows of one request and what was answered, copied. */
struct ShadowRows {
  std::shared_ptr<Comparison> comparison;
  RowWork work;  // without a model, which may have gone; the rest points into `bytes`
  const std::byte* answered = nullptr;
  wire::DataType answered_datatype = wire::DataType::kFp32;
  std::size_t columns = 0;
  std::size_t outputs = 0;
  std::size_t size = 0;
  std::unique_ptr<std::byte[]> bytes;
  std::unique_ptr<ShadowRows> next;
};

/**
 * Many threads put rows in and one takes them out. Putting in takes no lock, since the thread that
 * takes out is of low priority and might hold one for long.
 */
class ShadowQueue {
 public:
  explicit ShadowQueue(ShadowLimits limits) : limits_(limits) {}
  ~ShadowQueue() { clear(); }
  ShadowQueue(const ShadowQueue&) = delete;
  ShadowQueue& operator=(const ShadowQueue&) = delete;

  /** Copies the rows of `work` and their scores; false if there is no room for them. */
  bool put(const std::shared_ptr<Comparison>& comparison, const RowWork& work,
           const std::byte* answered) noexcept;

  /** Everything that is in it, the oldest first; nullptr if it is empty. */
  std::unique_ptr<ShadowRows> take_all() noexcept;
  /** Makes the room again that rows have taken which have been taken out. */
  void release(const ShadowRows& rows) noexcept;

  /** Waits until something is in it or close() was called. For the thread that takes out. */
  void wait() noexcept;
  void close() noexcept;
  bool closed() const noexcept { return closed_.load(); }

 private:
  bool reserve(std::size_t bytes) noexcept;
  void push(ShadowRows* rows) noexcept;
  void wake() noexcept;
  void clear() noexcept;

  const ShadowLimits limits_;
  std::atomic<ShadowRows*> newest_{nullptr};
  std::atomic<std::size_t> requests_{0};
  std::atomic<std::size_t> bytes_{0};
  std::atomic<int> asleep_{0};  // 0 or 1: the type that the system can wait for
  std::atomic<bool> closed_{false};
};

}  // namespace thriftscore::server
