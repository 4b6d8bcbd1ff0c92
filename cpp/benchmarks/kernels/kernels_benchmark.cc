// SPDX-License-Identifier: Apache-2.0
// Time of each kernel on one thread with the target THRIFTSCORE_SIMD names, or the best.
// Arguments of a case: rows, columns, outputs. bytes_per_second counts the rows read.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace thriftscore::kernels {
namespace {

template <typename T>
struct Inputs {
  explicit Inputs(const benchmark::State& state)
      : rows(static_cast<std::size_t>(state.range(0))),
        columns(static_cast<std::size_t>(state.range(1))),
        outputs(static_cast<std::size_t>(state.range(2))),
        x(random(rows * columns)),
        weights(random(outputs * columns)),
        bias(random(outputs)),
        mean(random(columns)),
        scale(random(columns)),
        y(rows * (outputs > columns ? outputs : columns)) {}

  std::vector<T> random(std::size_t count) {
    std::uniform_real_distribution<T> distribution(T(0.5), T(2));
    std::vector<T> values(count);
    for (T& value : values) value = distribution(generator);
    return values;
  }
  [[nodiscard]] WeightedSum<T> sum() const {
    return {weights.data(), bias.data(), columns, outputs};
  }
  [[nodiscard]] Normalizer<T> normalizer() const { return {mean.data(), scale.data(), columns}; }

  std::mt19937_64 generator{1};
  std::size_t rows, columns, outputs;
  std::vector<T> x, weights, bias, mean, scale, y;
};

template <typename T, class Call>
void measure(benchmark::State& state, Call call) {
  Inputs<T> inputs(state);
  for (auto _ : state) {
    call(inputs);
    benchmark::DoNotOptimize(inputs.y.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(inputs.x.size() * sizeof(T)));
}

template <typename T>
void weighted_sum(benchmark::State& state) {
  measure<T>(state, [](Inputs<T>& in) {
    active<T>().weighted_sum(in.sum(), in.x.data(), in.rows, in.y.data());
  });
}

template <typename T>
void normalized_weighted_sum(benchmark::State& state) {
  measure<T>(state, [](Inputs<T>& in) {
    active<T>().normalized_weighted_sum(in.normalizer(), in.sum(), in.x.data(), in.rows,
                                        in.y.data());
  });
}

template <typename T>
void normalize(benchmark::State& state) {
  measure<T>(state, [](Inputs<T>& in) {
    active<T>().normalize(in.normalizer(), in.x.data(), in.rows, in.y.data());
  });
}

// What normalize is compared with.
template <typename T>
void copy(benchmark::State& state) {
  measure<T>(state,
             [](Inputs<T>& in) { std::memcpy(in.y.data(), in.x.data(), in.x.size() * sizeof(T)); });
}

template <typename T>
void sigmoid(benchmark::State& state) {
  measure<T>(state, [](Inputs<T>& in) { active<T>().sigmoid(in.y.data(), in.rows * in.columns); });
}

template <typename T>
void softmax(benchmark::State& state) {
  measure<T>(state, [](Inputs<T>& in) { active<T>().softmax(in.y.data(), in.rows, in.columns); });
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"rows", "columns", "outputs"});
  for (const std::int64_t rows : {1, 16, 256, 10'000}) {
    for (const std::int64_t columns : {8, 32, 784}) {
      for (const std::int64_t outputs : {1, 10}) benchmark->Args({rows, columns, outputs});
    }
  }
}

void one_output(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"rows", "columns", ""});
  for (const std::int64_t rows : {1, 16, 256, 10'000}) {
    for (const std::int64_t columns : {3, 10, 32}) benchmark->Args({rows, columns, 1});
  }
}

BENCHMARK_TEMPLATE(weighted_sum, float)->Apply(shapes);
BENCHMARK_TEMPLATE(weighted_sum, double)->Apply(shapes);
BENCHMARK_TEMPLATE(normalized_weighted_sum, float)->Apply(shapes);
BENCHMARK_TEMPLATE(normalized_weighted_sum, double)->Apply(shapes);
BENCHMARK_TEMPLATE(normalize, float)->Apply(one_output);
BENCHMARK_TEMPLATE(normalize, double)->Apply(one_output);
BENCHMARK_TEMPLATE(copy, float)->Apply(one_output);
BENCHMARK_TEMPLATE(copy, double)->Apply(one_output);
BENCHMARK_TEMPLATE(sigmoid, float)->Apply(one_output);
BENCHMARK_TEMPLATE(sigmoid, double)->Apply(one_output);
BENCHMARK_TEMPLATE(softmax, float)->Apply(one_output);
BENCHMARK_TEMPLATE(softmax, double)->Apply(one_output);

}  // namespace
}  // namespace thriftscore::kernels

int main(int argument_count, char** arguments) {
  const std::string error = thriftscore::kernels::target_error();
  if (!error.empty()) {
    std::cerr << error << '\n';
    return 2;
  }
  benchmark::AddCustomContext("simd_target", std::string(thriftscore::kernels::active_target()));
  benchmark::Initialize(&argument_count, arguments);
  if (benchmark::ReportUnrecognizedArguments(argument_count, arguments)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
