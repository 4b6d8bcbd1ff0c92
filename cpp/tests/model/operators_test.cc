// SPDX-License-Identifier: Apache-2.0
// What every operator refuses, and the reason it gives.
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "tests/model/model_files.h"

namespace thriftscore::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// One stage of each operator that has something to refuse, 3 columns in front of each.
ModelFile zoo() {
  Json branch = {{{"op", "select"}, {"columns", "columns"}}};
  Json stages = {{{"op", "impute"}, {"values", "values"}, {"missing", -1}},
                 {{"op", "clip"}, {"low", "low"}, {"high", "high"}},
                 {{"op", "row_norm"}, {"norm", "l2"}},
                 {{"op", "binarize"}, {"thresholds", "thresholds"}},
                 {{"op", "one_hot"},
                  {"offsets", "offsets"},
                  {"categories", "categories"},
                  {"unknown", "zeros"}},
                 {{"op", "sparse_linear"},
                  {"indptr", "indptr"},
                  {"indices", "indices"},
                  {"weights", "sparse_weights"},
                  {"bias", "sparse_bias"}},
                 {{"op", "concat"}, {"branches", {branch, Json::array()}}},
                 {{"op", "dense"}, {"weights", "weights"}, {"bias", "bias"}, {"activation", "elu"}},
                 {{"op", "sum"},
                  {"branches", {Json::array(), Json::array()}},
                  {"weights", "sum_weights"},
                  {"bias", "sum_bias"}}};
  return staged(3, std::move(stages),
                {{"values", {3}, {1, 2, 3}},
                 {"low", {3}, {0, 0, -kInfinity}},
                 {"high", {3}, {1, 0, kInfinity}},
                 {"thresholds", {3}, {1, 2, 3}},
                 {"offsets", {4}, {0, 2, 2, 3}, "I64"},
                 {"categories", {3}, {1, kNan, 0}},
                 {"indptr", {4}, {0, 2, 2, 3}, "I64"},
                 {"indices", {3}, {0, 2, 1}, "I64"},
                 {"sparse_weights", {3}, {1, 2, 3}},
                 {"sparse_bias", {3}, {1, 2, 3}},
                 {"columns", {2}, {2, 2}, "I64"},
                 {"weights", {1, 5}, {1, 2, 3, 4, 5}},
                 {"bias", {1}, {0}},
                 {"sum_weights", {2}, {1, 2}},
                 {"sum_bias", {1}, {1}}});
}

Json& stage(ModelFile& file, std::size_t index) { return file.graph["stages"][index]; }

struct Case {
  std::string name;
  std::function<void(ModelFile&)> spoil;
  std::string message;  // a part of it
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

class Refuses : public ::testing::TestWithParam<Case> {};

TEST_P(Refuses, WithTheReason) {
  ModelFile file = zoo();
  ASSERT_EQ(refusal(file.build()), "");
  GetParam().spoil(file);
  const std::string message = refusal(file.build());
  EXPECT_NE(message.find(GetParam().message), std::string::npos) << "refused with: " << message;
}

// Sets one value of a tensor.
std::function<void(ModelFile&)> set(const std::string& tensor, std::size_t index, double value) {
  return [=](ModelFile& file) { file.tensor(tensor).values[index] = value; };
}

std::function<void(ModelFile&)> set_key(std::size_t index, const std::string& key,
                                        const Json& value) {
  return [=](ModelFile& file) { stage(file, index)[key] = value; };
}

std::function<void(ModelFile&)> replace(const NamedTensor& tensor) {
  return [=](ModelFile& file) { file.tensor(tensor.name) = tensor; };
}

const Case kCases[] = {
    {"ImputeNan", set("values", 1, kNan), "stage 0 (impute): values: element 1 is nan"},
    {"ImputeMissingNoNumber", set_key(0, "missing", "x"), "missing: expected a number, got string"},
    {"ImputeOtherLength", replace({"values", {2}, {1, 2}}), "values is [2], expected [3]"},
    {"ClipNan", set("high", 0, kNan), "stage 1 (clip): high: element 0 is NaN"},
    {"ClipBackwards", set("low", 1, 0.5), "low: element 1 is 0.5, expected at most high, 0"},
    {"ClipOtherLength", replace({"low", {1}, {0}}), "low is [1], expected [3]"},
    {"UnknownNorm", set_key(2, "norm", "l3"), "norm is \"l3\", expected one of l1, l2, max"},
    {"ThresholdInfinite", set("thresholds", 2, kInfinity), "thresholds: element 2 is inf"},
    {"OffsetsFall", set("offsets", 1, 3), "offsets: element 2 is 2, less than the one before it"},
    {"OffsetsNotFromZero", set("offsets", 0, 1), "offsets go from 1 to 3, expected from 0 to 3"},
    {"OffsetsTooShort", set("offsets", 3, 2), "offsets go from 0 to 2, expected from 0 to 3"},
    {"OffsetsTooLong", set("offsets", 3, 4), "offsets: element 3 is 4, expected 0 to 3"},
    {"OffsetsNegative", set("offsets", 1, -1), "offsets: element 1 is -1, expected 0 to 3"},
    {"OffsetsForOtherColumns", replace({"offsets", {3}, {0, 2, 3}, "I64"}),
     "offsets is [3], expected [4]: a row has 3 columns here"},
    {"OffsetsOfFloats", replace({"offsets", {4}, {0, 2, 2, 3}, "F64"}),
     "offsets is of F64, expected I32 or I64"},
    {"OffsetsOfBytes", replace({"offsets", {8}, {0, 0, 0, 0, 0, 0, 0, 0}, "U8"}),
     "offsets is of U8, expected I32 or I64"},
    {"CategoryInfinite", set("categories", 0, -kInfinity), "categories: element 0 is -inf"},
    {"CategoriesOfIntegers", replace({"categories", {3}, {1, 2, 3}, "I64"}),
     "categories is of I64, expected F32 or F64"},
    {"UnknownUnknown", set_key(4, "unknown", "ones"), "unknown is \"ones\""},
    {"IndptrFalls", set("indptr", 1, 3), "indptr: element 2 is 2, less than the one before it"},
    {"IndptrBeyondTheIndices", set("indptr", 3, 4), "indptr: element 3 is 4, expected 0 to 3"},
    {"IndptrMatrix", replace({"indptr", {2, 2}, {0, 2, 2, 3}, "I64"}),
     "indptr is [2, 2], expected [4]"},
    {"NoOutputs", replace({"indptr", {1}, {0}, "I64"}), "indptr go from 0 to 0"},
    {"IndexOutOfRange", set("indices", 1, 3), "indices: element 1 is 3, expected 0 to 2"},
    {"IndexNegative", set("indices", 0, -1), "indices: element 0 is -1, expected 0 to 2"},
    {"IndexTwice", set("indices", 1, 0),
     "indices: element 1 is 0, expected more than the one before it"},
    {"SparseWeightInfinite", set("sparse_weights", 2, kInfinity), "weights: element 2 is inf"},
    {"SparseWeightsOfOtherLength", replace({"sparse_weights", {2}, {1, 2}}),
     "weights is [2], expected [3]"},
    {"SparseBiasOfOtherLength", replace({"sparse_bias", {2}, {1, 2}}), "bias is [2], expected [3]"},
    {"ColumnOutOfRange", set("columns", 1, 3),
     "stage 6 (concat), branch 0, stage 0 (select): columns: element 1 is 3, expected 0 to 2"},
    {"BranchesNoList", set_key(6, "branches", 1), "branches: expected a list, got number"},
    {"BranchNoList", set_key(6, "branches", Json::array({1})),
     "stage 6 (concat), branch 0: expected a list, got number"},
    {"NoBranches", set_key(8, "branches", Json::array()), "has 0 branches, expected 1 to"},
    {"UnknownOperatorInBranch", set_key(6, "branches", {{{{"op", "tree"}}}}),
     "stage 6 (concat), branch 0, stage 0: unknown operator \"tree\""},
    {"ConcatTooWide", set_key(6, "branches", std::vector<Json>(21846, Json::array())),
     "has 65538 outputs, expected at most 65536"},
    {"AlphaInfinite", set_key(7, "alpha", 1e300), ""},
    {"AlphaNoNumber", set_key(7, "alpha", "1"), "alpha: expected a number, got string"},
    {"AlphaOfRelu",
     [](ModelFile& f) {
       stage(f, 7)["activation"] = "relu";
       stage(f, 7)["alpha"] = 1;
     },
     "alpha is for leaky_relu and elu, not for relu"},
    {"SumWeightsOfOtherLength", replace({"sum_weights", {1}, {1}}), "weights is [1], expected [2]"},
    {"SumBiasOfOtherLength", replace({"sum_bias", {2}, {1, 1}}), "bias is [2], expected [1]"},
    {"SumWeightNan", set("sum_weights", 0, kNan), "stage 8 (sum): weights: element 0 is nan"},
    {"BranchesDiffer",
     [](ModelFile& f) {
       stage(f, 8)["branches"] = {Json::array(),
                                  Json::array({{{"op", "select"}, {"columns", "c"}}})};
       f.tensors.push_back({"c", {2}, {0, 0}, "I64"});
     },
     "stage 8 (sum): branch 1 gives 2 columns, expected 1 as branch 0"},
};
INSTANTIATE_TEST_SUITE_P(Operators, Refuses, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

// `depth` concats around one another, each of one branch.
ModelFile nested(int depth) {
  Json chain = Json::array();
  for (int i = 0; i < depth; ++i) {
    chain = Json::array({{{"op", "concat"}, {"branches", Json::array({chain})}}});
  }
  return staged(3, chain, {});
}

TEST(Branches, NestUpToTheirLimit) {
  EXPECT_EQ(refusal(nested(8).build()), "");
  EXPECT_NE(refusal(nested(9).build()).find("branches nested deeper than 8"), std::string::npos);
  EXPECT_NE(refusal(nested(100).build()).find("JSON nested deeper"), std::string::npos);
}

TEST(Branches, CountTowardsTheLimitOfStages) {
  const Json link = {{"op", "link"}, {"function", "identity"}};
  const Json half = std::vector<Json>(512, link);
  const auto with = [&](const Json& more) {
    return staged(1, Json::array({{{"op", "concat"}, {"branches", {half, more}}}}), {}).build();
  };
  EXPECT_EQ(refusal(with(std::vector<Json>(511, link))), "");
  EXPECT_NE(refusal(with(half)).find("512 stages beside 513 others, expected at most 1024 in all"),
            std::string::npos);
}

}  // namespace
}  // namespace thriftscore::testing
