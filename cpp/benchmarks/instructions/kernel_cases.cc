// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>

#include "benchmarks/instructions/cases.h"
#include "kernels/kernels.h"
#include "model/aligned.h"
#include "model/model.h"
#include "tests/model/forest_files.h"

namespace thriftscore::benchmarks {
namespace {

using Values = AlignedVector<float>;

constexpr std::size_t kRows = 100;

Values numbers(std::size_t count, std::uint64_t seed) {
  const auto values = testing::numbers(count, seed);
  return {values.begin(), values.end()};
}

/// What the kernels read and write, with the weights packed as a model has them.
struct Arrays {
  Arrays(std::size_t rows_in, std::size_t columns, std::size_t outputs)
      : rows(rows_in),
        x(numbers(rows * columns, 1)),
        weights(numbers(outputs * columns, 2)),
        bias(numbers(outputs, 3)),
        mean(numbers(columns, 4)),
        scale(columns, 1.5F),
        packed(kernels::active<float>().packed_size(columns, outputs)),
        y(numbers(rows * std::max(columns, outputs), 5)),
        sum{weights.data(), bias.data(), columns, outputs},
        normalizer{mean.data(), scale.data(), columns} {
    if (packed.empty()) return;
    kernels::active<float>().pack(sum, packed.data());
    sum.packed = packed.data();
    sum.packed_by = kernels::active<float>().pack;
  }

  std::size_t rows;
  Values x, weights, bias, mean, scale, packed, y;
  kernels::WeightedSum<float> sum;
  kernels::Normalizer<float> normalizer;
};

using Call = void (*)(const kernels::Kernels<float>& kernels, Arrays& arrays);

void weighted_sum(const kernels::Kernels<float>& kernels, Arrays& arrays) {
  kernels.weighted_sum(arrays.sum, arrays.x.data(), arrays.rows, arrays.y.data());
}

void normalize(const kernels::Kernels<float>& kernels, Arrays& arrays) {
  kernels.normalize(arrays.normalizer, arrays.x.data(), arrays.rows, arrays.y.data());
}

// These two write over what they read; they take the same instructions for any finite values.
void sigmoid(const kernels::Kernels<float>& kernels, Arrays& arrays) {
  kernels.sigmoid(arrays.y.data(), arrays.y.size());
}

void softmax(const kernels::Kernels<float>& kernels, Arrays& arrays) {
  kernels.softmax(arrays.y.data(), arrays.rows, arrays.normalizer.columns);
}

struct Shape {
  std::size_t rows, columns, outputs;
};

Case kernel_case(std::string name, Call call, const Shape& shape) {
  auto arrays = std::make_shared<Arrays>(shape.rows, shape.columns, shape.outputs);
  return {"kernel/" + std::move(name), 1,
          [call, arrays = std::move(arrays)] { call(kernels::active<float>(), *arrays); }};
}

Case forest_case(std::string name, const std::shared_ptr<const Model>& model, std::size_t rows) {
  struct Scoring {
    std::shared_ptr<const Model> model;
    Values x, y;
    Workspace workspace;
  };
  auto scoring = std::make_shared<Scoring>();
  scoring->model = model;
  scoring->x = numbers(rows * model->columns(), 6);
  scoring->y.resize(rows);
  return {"kernel/" + std::move(name), 1, [scoring = std::move(scoring), rows] {
            auto& [forest, x, y, workspace] = *scoring;
            if (forest->score(x.data(), rows, y.data(), workspace)) std::terminate();
          }};
}

std::shared_ptr<const Model> forest_model() {
  const testing::ForestRecipe recipe{.columns = 50, .trees = 200, .leaves = 31};
  return Model::load_bytes(testing::make_forest(recipe, 1).file("fp32").build());
}

}  // namespace

std::vector<Case> kernel_cases() {
  const auto forest = forest_model();
  return {
      kernel_case("weighted_sum_1x32", weighted_sum, {1, 32, 1}),
      kernel_case("weighted_sum_100x32", weighted_sum, {kRows, 32, 1}),
      kernel_case("dense_1x64_to_64", weighted_sum, {1, 64, 64}),
      kernel_case("dense_100x64_to_64", weighted_sum, {kRows, 64, 64}),
      kernel_case("normalize_100x32", normalize, {kRows, 32, 1}),
      kernel_case("sigmoid_100", sigmoid, {kRows, 1, 1}),
      kernel_case("softmax_100x10", softmax, {kRows, 10, 1}),
      forest_case("forest_200x31_1_row", forest, 1),
      forest_case("forest_200x31_100_rows", forest, kRows),
  };
}

}  // namespace thriftscore::benchmarks
