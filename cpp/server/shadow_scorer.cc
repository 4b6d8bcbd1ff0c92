// SPDX-License-Identifier: Apache-2.0
#include "server/shadow_scorer.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <new>
#include <utility>

namespace thriftscore::server {
namespace {

constexpr int kNiceness = 19;  // whatever else there is to do goes first
/** Rows that follow within this time wake nobody. */
constexpr std::chrono::milliseconds kPause{1};

double value_at(const std::byte* values, wire::DataType datatype, std::size_t index) noexcept {
  if (datatype == wire::DataType::kFp32) {
    float value = 0;
    std::memcpy(&value, values + index * sizeof(float), sizeof(float));
    return value;
  }
  double value = 0;
  std::memcpy(&value, values + index * sizeof(double), sizeof(double));
  return value;
}

/** The largest difference of a row's scores; NaN if one of them is. */
double difference(const ShadowRows& rows, const RowWork& work, std::size_t row) noexcept {
  const auto datatype = output_datatype(*work.model);
  double largest = 0;
  for (std::size_t at = row * rows.outputs; at < (row + 1) * rows.outputs; ++at) {
    const double shadow = value_at(work.output, datatype, at);
    const double answered = value_at(rows.answered, rows.answered_datatype, at);
    const double apart = std::fabs(shadow - answered);
    if (std::isnan(apart)) return apart;
    largest = std::max(largest, apart);
  }
  return largest;
}

}  // namespace

ShadowScorer::ShadowScorer(ShadowLimits limits) : queue_(limits), thread_([this] { run(); }) {}

ShadowScorer::~ShadowScorer() { stop(); }

void ShadowScorer::stop() {
  const std::scoped_lock lock(stop_mutex_);
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<Comparison> ShadowScorer::comparison(const std::string& model_name,
                                                     const ComparedVersion& served,
                                                     const ComparedVersion& shadow) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(comparisons_, [](const auto& known) { return known->served() == nullptr; });
  const auto found = std::find_if(comparisons_.begin(), comparisons_.end(), [&](const auto& known) {
    return known->model_name() == model_name && known->served() == served.model &&
           known->shadow_version() == shadow.version;
  });
  if (found != comparisons_.end() && (*found)->shadow() == shadow.model) return *found;
  auto made = std::make_shared<Comparison>(model_name, served, shadow);
  if (found == comparisons_.end()) return comparisons_.emplace_back(std::move(made));
  return *found = std::move(made);
}

void ShadowScorer::offer(const std::shared_ptr<Comparison>& comparison, const RowWork& work,
                         const std::byte* answered) noexcept {
  if (!work.scores() || work.rows == 0) return;
  if (!queue_.put(comparison, work, answered)) comparison->drop(work.rows);
}

std::vector<std::shared_ptr<const Comparison>> ShadowScorer::comparisons(
    const std::string& model_name, const std::shared_ptr<const Model>& served) const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::shared_ptr<const Comparison>> found;
  for (const auto& known : comparisons_) {
    if (known->model_name() == model_name && known->served() == served) found.push_back(known);
  }
  return found;
}

void ShadowScorer::run() {
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness);
  while (!queue_.closed()) {
    auto rows = queue_.take_all();
    if (rows == nullptr) {
      queue_.wait();
      continue;
    }
    while (rows != nullptr && !queue_.closed()) {
      score(*rows);
      queue_.release(*rows);
      rows = std::move(rows->next);
    }
    // One by one, as in ShadowQueue::clear().
    while (rows != nullptr) rows = std::move(rows->next);
    std::this_thread::sleep_for(kPause);
  }
}

void ShadowScorer::score(const ShadowRows& rows) {
  const auto shadow = rows.comparison->shadow();
  if (shadow == nullptr) return;  // it has been unloaded meanwhile
  if (shadow->columns() != rows.columns || shadow->outputs() != rows.outputs) {
    return rows.comparison->fail(rows.work.rows);
  }
  try {
    score_blocks(rows, shadow);
  } catch (const std::bad_alloc&) {
    rows.comparison->drop(rows.work.rows);
  }
}

void ShadowScorer::score_blocks(const ShadowRows& rows,
                                const std::shared_ptr<const Model>& shadow) {
  RowWork work = rows.work;
  work.model = shadow.get();
  scores_.resize(work.rows * rows.outputs * element_bytes(output_datatype(*shadow)));
  work.output = scores_.data();
  const std::size_t block = work.block_rows();
  for (std::size_t first = 0; first < work.rows; first += block) {
    // Nobody else has the shadow any more: it was unloaded, and its memory is waited for.
    if (queue_.closed() || shadow.use_count() == 1) return;
    score_block(rows, work, first, std::min(block, work.rows - first));
  }
}

void ShadowScorer::score_block(const ShadowRows& rows, const RowWork& work, std::size_t first,
                               std::size_t count) {
  if (work.run(first, count, scratch_).state == RowOutcome::State::kDone) {
    differences_.clear();
    for (std::size_t row = first; row < first + count; ++row) {
      differences_.push_back(difference(rows, work, row));
    }
    return rows.comparison->record(differences_);
  }
  if (count == 1) return rows.comparison->fail(1);
  for (std::size_t row = first; row < first + count; ++row) score_block(rows, work, row, 1);
}

}  // namespace thriftscore::server
