// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "kernels/kernels.h"

namespace thriftscore::kernels {
namespace {

constexpr const char* kVariable = "THRIFTSCORE_SIMD";

// A process of its own, where nothing has chosen a target yet.
class TargetsDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  [[noreturn]] static void report_choice_for(const char* requested) {
    setenv(kVariable, requested, 1);
    std::cerr << "chose " << active_target() << "; error: " << target_error() << std::endl;
    std::_Exit(0);
  }
};

TEST(Targets, EveryAvailableTargetCanBeSelectedByName) {
  const auto names = available_targets();
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names.front(), "scalar");
  EXPECT_EQ(std::set(names.begin(), names.end()).size(), names.size());
  for (const std::string_view name : names) {
    ASSERT_TRUE(select_target(name)) << name;
    EXPECT_EQ(active_target(), name);
    EXPECT_EQ(target_error(name), "");
  }
}

TEST(Targets, SelectingChangesTheKernels) {
  ASSERT_TRUE(select_target("scalar"));
  const auto* scalar = &active<float>();
  const auto best = available_targets().back();
  ASSERT_TRUE(select_target(best));
  EXPECT_EQ(&active<float>() == scalar, best == "scalar");
}

TEST(Targets, UnknownNameIsRefusedAndChangesNothing) {
  ASSERT_TRUE(select_target("scalar"));
  for (const std::string_view name : {"", "AVX2", "avx9", "scalar "}) {
    EXPECT_FALSE(select_target(name)) << name;
    EXPECT_EQ(active_target(), "scalar");
  }
  EXPECT_EQ(
      target_error("avx9").find("SIMD target 'avx9' is not available; expected one of scalar"), 0U);
}

TEST(Targets, AnyNumberOfThreadsScoreAtOnce) {
  constexpr std::size_t kThreads = 8;
  constexpr std::size_t kColumns = 37;
  const std::vector<float> ones(kColumns, 1.0F);
  const float bias = 2.0F;
  std::vector<float> scores(kThreads);
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (float& score : scores) {
      threads.emplace_back([&] {
        active<float>().weighted_sum({ones.data(), &bias, kColumns, 1}, ones.data(), 1, &score);
      });
    }
  }
  EXPECT_EQ(scores, std::vector<float>(kThreads, kColumns + bias));
}

TEST_F(TargetsDeathTest, EnvironmentForcesATarget) {
  for (const std::string_view name : available_targets()) {
    EXPECT_EXIT(report_choice_for(std::string(name).c_str()), testing::ExitedWithCode(0),
                "chose " + std::string(name) + "; error: \n");
  }
}

TEST_F(TargetsDeathTest, BestTargetIsChosenByDefault) {
  EXPECT_EXIT(report_choice_for(""), testing::ExitedWithCode(0),
              "chose " + std::string(available_targets().back()) + "; error: \n");
}

TEST_F(TargetsDeathTest, UnknownNameInTheEnvironmentIsReported) {
  EXPECT_EXIT(report_choice_for("avx9"), testing::ExitedWithCode(0),
              "chose " + std::string(available_targets().back()) +
                  "; error: THRIFTSCORE_SIMD: SIMD target 'avx9' is not available");
}

}  // namespace
}  // namespace thriftscore::kernels
