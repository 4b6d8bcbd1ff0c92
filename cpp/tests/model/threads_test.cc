// SPDX-License-Identifier: Apache-2.0
// One model, many threads: the TSan build of this program sees any write they would share.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "model/model.h"
#include "tests/model/model_files.h"

namespace thriftscore::testing {
namespace {

TEST(Threads, ScoreOneModelAtOnceAsIfAlone) {
  const auto model = Model::load_bytes(example(32, 3, "softmax", "fp32").build());
  const std::vector<double> x = numbers(500 * model->columns(), 5);
  std::vector<float> expected(500 * model->outputs());
  Workspace workspace;
  model->score(x.data(), 500, expected.data(), workspace);

  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      Workspace own;
      std::vector<float> y(expected.size());
      for (int round = 0; round < 20; ++round) {
        model->score(x.data(), 500, y.data(), own);
        wrong += y != expected;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(Threads, KeepAModelAliveThatOthersLetGo) {
  auto model = Model::load_bytes(tiny().build());
  std::vector<std::jthread> threads;
  std::atomic<int> wrong{0};
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&wrong, own = model] {
      const std::vector<float> x = {1, 1, 1};
      float y = 0;
      Workspace workspace;
      for (int round = 0; round < 1000; ++round) {
        own->score(x.data(), 1, &y, workspace);
        wrong += y != 6.5F;
      }
    });
  }
  model.reset();
  threads.clear();
  EXPECT_EQ(wrong.load(), 0);
}

}  // namespace
}  // namespace thriftscore::testing
