// SPDX-License-Identifier: Apache-2.0
// Scores rows again with a shadow version, off the path of the requests.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/comparison.h"
#include "server/shadow_queue.h"

namespace thriftscore::server {

/** Has a thread of low priority, which sleeps while nothing is offered. */
class ShadowScorer {
 public:
  explicit ShadowScorer(ShadowLimits limits = {});
  ~ShadowScorer();
  ShadowScorer(const ShadowScorer&) = delete;
  ShadowScorer& operator=(const ShadowScorer&) = delete;

  /**
   * The comparison of two versions, made at first use. It goes when the served version has gone,
   * and begins anew when one of them was loaded anew.
   */
  std::shared_ptr<Comparison> comparison(const std::string& model_name,
                                         const ComparedVersion& served,
                                         const ComparedVersion& shadow);

  /**
   * Has the rows of `work` scored by the shadow and compared with `answered`, their scores by
   * work.model; both are copied. Drops and counts the rows if there is no room. Never waits. Work
   * that does not score is ignored.
   */
  void offer(const std::shared_ptr<Comparison>& comparison, const RowWork& work,
             const std::byte* answered) noexcept;

  /** All comparisons whose served version is this one. */
  std::vector<std::shared_ptr<const Comparison>> comparisons(
      const std::string& model_name, const std::shared_ptr<const Model>& served) const;

  /** Ends the thread; what is queued is forgotten. Does nothing the second time. */
  void stop();

 private:
  void run();
  void score(const ShadowRows& rows);
  void score_blocks(const ShadowRows& rows, const std::shared_ptr<const Model>& shadow);
  void score_block(const ShadowRows& rows, const RowWork& work, std::size_t first,
                   std::size_t count);

  ShadowQueue queue_;
  mutable std::mutex mutex_;  // guards comparisons_; not taken for requests of the event loops
  std::vector<std::shared_ptr<Comparison>> comparisons_;
  std::mutex stop_mutex_;
  // The thread's own.
  Scratch scratch_;
  std::vector<std::byte> scores_;
  std::vector<double> differences_;
  std::thread thread_;  // last: it uses what is above
};

}  // namespace thriftscore::server
