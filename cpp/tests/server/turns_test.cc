// SPDX-License-Identifier: Apache-2.0
#include "server/turns.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>

#include <thread>

namespace thriftscore::testing {
namespace {

TEST(Turns, LeaveTheThreadItsPolicyItsShareAndTheOthersAsTheyWere) {
  std::thread([] {
    ASSERT_EQ(setpriority(PRIO_PROCESS, 0, 3), 0);
    server::prefer_short_turns();
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
    EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 3);
  }).join();
  EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 0);
}

}  // namespace
}  // namespace thriftscore::testing
