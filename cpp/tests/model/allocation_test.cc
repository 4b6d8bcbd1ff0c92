// SPDX-License-Identifier: Apache-2.0
// Scoring allocates nothing. This program counts every allocation that is made with new.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "model/model.h"
#include "tests/model/model_files.h"

namespace {

std::atomic<std::size_t> allocations{0};

// Both stay out of line: a compiler that sees through one of them alone takes the pair for a
// mismatch.
[[gnu::noinline]] void release(void* memory) noexcept { std::free(memory); }

[[gnu::noinline]] void* counted(std::size_t size, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  const std::size_t whole = (size + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, whole == 0 ? alignment : whole);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return counted(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

namespace thriftscore::testing {
namespace {

template <typename In, typename Out>
std::size_t allocations_of_scoring(const Model& model, Workspace& workspace) {
  const std::vector<In> x(5000 * model.columns(), In{0.5});
  std::vector<Out> y(5000 * model.outputs());
  const std::size_t before = allocations.load();
  for (const std::size_t rows : {1U, 2U, 33U, 5000U}) {
    model.score(x.data(), rows, y.data(), workspace);
  }
  return allocations.load() - before;
}

TEST(Allocation, IsCounted) {
  const std::size_t before = allocations.load();
  Workspace workspace;
  workspace.reserve(1);
  EXPECT_EQ(allocations.load() - before, 1U);
}

TEST(Allocation, NoneWhenTheTypesAgreeEvenTheFirstTime) {
  Workspace workspace;
  const auto fp32 = Model::load_bytes(example(32, 3, "softmax", "fp32").build());
  EXPECT_EQ((allocations_of_scoring<float, float>(*fp32, workspace)), 0U);
  const auto fp64 = Model::load_bytes(example(32, 3, "softmax", "fp64").build());
  EXPECT_EQ((allocations_of_scoring<double, double>(*fp64, workspace)), 0U);
}

TEST(Allocation, OneWhenTheWorkspaceGrowsAndNoneAfterwards) {
  Workspace workspace;
  const auto model = Model::load_bytes(example(32, 1, "sigmoid", "fp32").build());
  EXPECT_EQ((allocations_of_scoring<double, float>(*model, workspace)), 1U);
  EXPECT_EQ((allocations_of_scoring<double, float>(*model, workspace)), 0U);
}

TEST(Allocation, NoneInAWorkspaceReservedForTheModel) {
  const auto model = Model::load_bytes(example(32, 1, "sigmoid", "fp64").build());
  Workspace workspace;
  workspace.reserve(model->workspace_bytes());
  EXPECT_EQ((allocations_of_scoring<float, double>(*model, workspace)), 0U);
}

TEST(Allocation, NoneForNormalizing) {
  const auto model = Model::load_bytes(example(32, 1, "sigmoid", "fp32").build());
  std::vector<double> x(32 * 100, 0.5);
  const std::size_t before = allocations.load();
  model->normalize(x.data(), 100, x.data());
  model->denormalize(x.data(), 100, x.data());
  EXPECT_EQ(allocations.load(), before);
}

}  // namespace
}  // namespace thriftscore::testing
