// SPDX-License-Identifier: Apache-2.0
#include "server/shadow_queue.h"

#include <cstring>
#include <new>
#include <utility>

namespace thriftscore::server {
namespace {

/** The bytes of `work`, in the order in which they are copied. */
struct Sizes {
  explicit Sizes(const RowWork& work)
      : values(work.kind == RowWork::Kind::kScoreSparse
                   ? work.indices.size() / sizeof(std::int32_t) * element_bytes(work.datatype)
                   : work.rows * work.model->columns() * element_bytes(work.datatype)),
        indptr(work.indptr.size()),
        indices(work.indices.size()),
        scores(work.rows * work.model->outputs() * element_bytes(output_datatype(*work.model))) {}
  std::size_t all() const noexcept { return values + indptr + indices + scores; }

  std::size_t values;
  std::size_t indptr;
  std::size_t indices;
  std::size_t scores;
};

/** Appends a copy at `to`, which moves on. */
std::byte* append(std::byte*& to, const std::byte* from, std::size_t size) noexcept {
  if (size != 0) std::memcpy(to, from, size);
  return std::exchange(to, to + size);
}

std::unique_ptr<ShadowRows> copy(const std::shared_ptr<Comparison>& comparison, const RowWork& work,
                                 const std::byte* answered) {
  const Sizes sizes(work);
  auto rows = std::make_unique<ShadowRows>();
  rows->bytes = std::make_unique_for_overwrite<std::byte[]>(sizes.all());
  rows->comparison = comparison;
  rows->size = sizes.all();
  rows->columns = work.model->columns();
  rows->outputs = work.model->outputs();
  rows->answered_datatype = output_datatype(*work.model);
  std::byte* to = rows->bytes.get();
  rows->work = {.kind = work.kind,
                .datatype = work.datatype,
                .rows = work.rows,
                .input = append(to, work.input, sizes.values),
                .indptr = {append(to, work.indptr.data(), sizes.indptr), sizes.indptr},
                .indices = {append(to, work.indices.data(), sizes.indices), sizes.indices}};
  rows->answered = append(to, answered, sizes.scores);
  return rows;
}

}  // namespace

bool ShadowQueue::put(const std::shared_ptr<Comparison>& comparison, const RowWork& work,
                      const std::byte* answered) noexcept {
  const std::size_t bytes = Sizes(work).all();
  if (closed() || !reserve(bytes)) return false;
  try {
    push(copy(comparison, work, answered).release());
  } catch (const std::bad_alloc&) {
    requests_.fetch_sub(1);
    bytes_.fetch_sub(bytes);
    return false;
  }
  wake();
  return true;
}

bool ShadowQueue::reserve(std::size_t bytes) noexcept {
  const bool room = requests_.fetch_add(1) < limits_.requests_max;
  const bool fits = bytes_.fetch_add(bytes) + bytes <= limits_.bytes_max;
  if (room && fits) return true;
  requests_.fetch_sub(1);
  bytes_.fetch_sub(bytes);
  return false;
}

void ShadowQueue::push(ShadowRows* rows) noexcept {
  ShadowRows* before = newest_.load();
  do {
    static_cast<void>(rows->next.release());
    rows->next.reset(before);
  } while (!newest_.compare_exchange_weak(before, rows));
}

// A system call only where the thread sleeps, which it does not between rows that follow closely.
void ShadowQueue::wake() noexcept {
  if (asleep_.load() != 0 && asleep_.exchange(0) != 0) asleep_.notify_one();
}

std::unique_ptr<ShadowRows> ShadowQueue::take_all() noexcept {
  std::unique_ptr<ShadowRows> newest(newest_.exchange(nullptr));
  std::unique_ptr<ShadowRows> oldest;
  while (newest != nullptr) {
    auto older = std::move(newest->next);
    newest->next = std::move(oldest);
    oldest = std::move(newest);
    newest = std::move(older);
  }
  return oldest;
}

void ShadowQueue::release(const ShadowRows& rows) noexcept {
  requests_.fetch_sub(1);
  bytes_.fetch_sub(rows.size);
}

void ShadowQueue::wait() noexcept {
  asleep_.store(1);
  if (newest_.load() == nullptr && !closed()) asleep_.wait(1);
  asleep_.store(0);
}

void ShadowQueue::close() noexcept {
  closed_.store(true);
  asleep_.store(0);
  asleep_.notify_one();
}

void ShadowQueue::clear() noexcept {
  // One by one: a chain that destroys itself would need a stack as deep as it is long.
  for (auto rows = take_all(); rows != nullptr;) rows = std::move(rows->next);
}

}  // namespace thriftscore::server
