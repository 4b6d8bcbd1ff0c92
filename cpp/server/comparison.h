// SPDX-License-Identifier: Apache-2.0
// How far the scores of a shadow version are from those that were answered.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "model/model.h"

namespace thriftscore::server {

/** What a comparison has found. A difference is the largest |shadow - answered| of a row. */
struct DifferenceFigures {
  std::uint64_t rows = 0;  // compared, with those whose difference is NaN
  std::uint64_t dropped_rows = 0;
  std::uint64_t failed_rows = 0;
  double max = 0;
  double mean = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
};

/**
 * Counts differences in buckets that are 1/32 of a power of two wide, so that a quantile, reported
 * as the middle of its bucket, is within 1.6 % of the true one. For numbers of any size from 0.
 */
class DifferenceHistogram {
 public:
  void record(double difference);
  std::uint64_t count() const noexcept { return count_; }
  double max() const noexcept { return max_; }
  double mean() const noexcept;
  /** The smallest difference that at least `fraction` (0 to 1) of all do not exceed; 0 if none. */
  double quantile(double fraction) const noexcept;

 private:
  std::map<std::uint32_t, std::uint64_t> buckets_;  // by the leading bits of the number
  std::uint64_t count_ = 0;
  long double sum_ = 0;
  double max_ = 0;
};

/** One of the two versions of a comparison. */
struct ComparedVersion {
  std::string version;
  std::shared_ptr<const Model> model;
};

/** A version and its shadow, neither of which this keeps loaded. For any thread. */
class Comparison {
 public:
  Comparison(std::string model_name, const ComparedVersion& served, const ComparedVersion& shadow);

  const std::string& model_name() const noexcept { return model_name_; }
  const std::string& served_version() const noexcept { return served_version_; }
  const std::string& shadow_version() const noexcept { return shadow_version_; }
  /** The models, while they are loaded. */
  std::shared_ptr<const Model> served() const noexcept { return served_.lock(); }
  std::shared_ptr<const Model> shadow() const noexcept { return shadow_.lock(); }

  /** Counts rows that there was no room for. */
  void drop(std::size_t rows) noexcept;
  /** Counts rows that the shadow cannot score. */
  void fail(std::size_t rows) noexcept;
  /** Counts one difference for each row. */
  void record(std::span<const double> differences);

  DifferenceFigures figures() const;

 private:
  const std::string model_name_;
  const std::string served_version_;
  const std::string shadow_version_;
  const std::weak_ptr<const Model> served_;
  const std::weak_ptr<const Model> shadow_;
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::uint64_t> failed_{0};
  mutable std::mutex mutex_;  // of the following; event loops never take it
  std::uint64_t rows_ = 0;
  DifferenceHistogram histogram_;
};

}  // namespace thriftscore::server
