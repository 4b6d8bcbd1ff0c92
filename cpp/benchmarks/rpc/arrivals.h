// SPDX-License-Identifier: Apache-2.0
// When the requests of an open loop are to be sent, whatever the server does.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>

#include "server/clock.h"

namespace thriftscore::benchmarks {

enum class ArrivalProcess : std::uint8_t { kConstant, kPoisson };

/// An endless rising sequence of times, in nanoseconds after the start of the run.
///
/// A request's latency counts from its time in here, not from when it could be written: a server
/// that stalls then pays for every request that it kept waiting (the correction of what Gil Tene
/// calls coordinated omission).
class Arrivals {
 public:
  /// `rate` > 0, in requests a second; of several sequences, each gets its share of the rate and
  /// an `offset` of a whole number of gaps of the total.
  Arrivals(ArrivalProcess process, double rate, double offset_ns, std::uint64_t seed)
      : process_(process), gap_ns_(1e9 / rate), offset_ns_(offset_ns), generator_(seed) {
    if (process_ == ArrivalProcess::kPoisson) elapsed_ns_ = random_gap();
  }

  /// The time of the next request.
  [[nodiscard]] server::Nanoseconds next() const noexcept {
    return static_cast<server::Nanoseconds>(offset_ns_ + elapsed_ns_);
  }

  /// To the request after it. Constant arrivals are multiplied, not summed up, so that no rounding
  /// error grows.
  void advance() {
    ++index_;
    elapsed_ns_ = process_ == ArrivalProcess::kConstant ? static_cast<double>(index_) * gap_ns_
                                                        : elapsed_ns_ + random_gap();
  }

 private:
  /// Exponential: -ln(1 - u) times the mean, u uniform in [0, 1).
  double random_gap() { return -std::log1p(-uniform_(generator_)) * gap_ns_; }

  ArrivalProcess process_;
  double gap_ns_;
  double offset_ns_;
  double elapsed_ns_ = 0;
  std::uint64_t index_ = 0;
  std::mt19937_64 generator_;
  std::uniform_real_distribution<double> uniform_{0.0, 1.0};
};

}  // namespace thriftscore::benchmarks
