// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "kernels/kernels.h"

namespace thriftscore::kernels {
namespace {

TEST(Targets, ScalarIsFirstAndTheBestIsChosenByDefault) {
  const auto names = available_targets();
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names.front(), "scalar");
  for (const auto name : names) {
    EXPECT_TRUE(select_target(name)) << name;
    EXPECT_EQ(active_target(), name);
    EXPECT_EQ(target_error(name), "");
  }
}

}  // namespace
}  // namespace thriftscore::kernels
