// SPDX-License-Identifier: Apache-2.0
// Every class of malformed file is refused with the reason; nothing outside the file is read
// (the sanitizer builds of this program see to that).
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "model/model.h"
#include "tests/model/model_files.h"

namespace thriftscore::testing {
namespace {

struct Case {
  std::string name;
  std::function<void(ModelFile&)> spoil;
  std::string message;  // a part of it
};

void PrintTo(const Case& test, std::ostream* out) { *out << test.name; }

class Refuses : public ::testing::TestWithParam<Case> {};

TEST_P(Refuses, WithTheReason) {
  ModelFile file = example(4, 3, "softmax", "fp32");
  ASSERT_EQ(refusal(file.build()), "");
  GetParam().spoil(file);
  const std::string message = refusal(file.build());
  EXPECT_NE(message.find(GetParam().message), std::string::npos) << "refused with: " << message;
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Json& stage(ModelFile& file, std::size_t index) { return file.graph["stages"][index]; }

const Case kGraphCases[] = {
    {"FutureFormat",
     [](ModelFile& f) {
       f.graph["format_version"] = 2;
       f.graph["new"] = 1;
     },
     "format_version is 2, expected 1"},
    {"FormatNoNumber", [](ModelFile& f) { f.graph["format_version"] = "1"; },
     "format_version: expected a whole number"},
    {"FormatNegative", [](ModelFile& f) { f.graph["format_version"] = -1; }, "got \"-1\""},
    {"FormatMissing", [](ModelFile& f) { f.graph.erase("format_version"); },
     "key \"format_version\" is missing"},
    {"UnknownKey", [](ModelFile& f) { f.graph["author"] = "x"; }, "unknown key \"author\""},
    {"GraphIsList", [](ModelFile& f) { f.graph = Json::array(); }, "expected an object, got array"},
    {"UnknownPrecision", [](ModelFile& f) { f.graph["precision"] = "fp16"; },
     "precision is \"fp16\", expected one of fp32, fp64"},
    {"UnknownTask", [](ModelFile& f) { f.graph["task"] = "ranking"; }, "task is \"ranking\""},
    {"UnknownMissingValues", [](ModelFile& f) { f.graph["missing_values"] = "mean"; },
     "missing_values is \"mean\", expected one of refuse, propagate"},
    {"NoFeatures", [](ModelFile& f) { f.graph["features"] = Json::array(); },
     "features: expected at least one name"},
    {"TooManyFeatures", [](ModelFile& f) { f.graph["features"] = std::vector<int>(65537, 0); },
     "features: has 65537 names, expected at most 65536"},
    {"FeatureTwice", [](ModelFile& f) { f.graph["features"][1] = "x0"; },
     "features: name \"x0\" is given twice"},
    {"FeatureNoText", [](ModelFile& f) { f.graph["features"][1] = 7; },
     "features: entry 1: expected a name, got \"7\""},
    {"FeatureEmpty", [](ModelFile& f) { f.graph["features"][1] = ""; },
     "features: entry 1: expected a name"},
    {"ClassTwice", [](ModelFile& f) { f.graph["classes"][2] = "c0"; },
     "classes: name \"c0\" is given twice"},
    {"ClassMissing", [](ModelFile& f) { f.graph["classes"].erase(2); },
     "classes: 2 names and 3 scores, expected one for each"},
    {"RegressionWithClasses", [](ModelFile& f) { f.graph["task"] = "regression"; },
     "classes: has 3 names, expected none for regression"},
    {"BinaryWithThreeScores", [](ModelFile& f) { f.graph["task"] = "binary_classification"; },
     "expected 2 and 1 for binary_classification"},
    {"NoStages", [](ModelFile& f) { f.graph["stages"] = Json::array(); },
     "stages: has 0 entries, expected at least 1"},
    {"TooManyStages",
     [](ModelFile& f) { f.graph["stages"] = std::vector<Json>(1025, Json::object()); },
     "stages: 1025 stages beside 0 others, expected at most 1024 in all"},
    {"StagesNoList", [](ModelFile& f) { f.graph["stages"] = 3; },
     "stages: expected a list, got number"},
    {"StageNoObject", [](ModelFile& f) { stage(f, 1) = 3; },
     "stage 1: expected an object, got number"},
    {"UnknownOperator", [](ModelFile& f) { stage(f, 1)["op"] = "conv\n2d"; },
     "stage 1: unknown operator \"conv\\n2d\""},
    {"UnknownStageKey", [](ModelFile& f) { stage(f, 0)["axis"] = 1; },
     "stage 0 (scale): unknown key \"axis\""},
    {"NormalizerOutOfRange", [](ModelFile& f) { f.graph["normalizer"] = 1; },
     "normalizer is 1, expected at most 0"},
    {"NormalizerIsNoScale",
     [](ModelFile& f) {
       f.graph["stages"].erase(0);
       f.tensors.erase(f.tensors.begin(), f.tensors.begin() + 2);
     },
     "normalizer: stage 0 is not a scale"},
};
INSTANTIATE_TEST_SUITE_P(Graph, Refuses, ::testing::ValuesIn(kGraphCases), case_name);

const Case kStageCases[] = {
    {"UnknownLink", [](ModelFile& f) { stage(f, 2)["function"] = "elu"; },
     "stage 2 (link): function is \"elu\", expected one of identity, sigmoid, softmax, exp"},
    {"SoftmaxOfOne",
     [](ModelFile& f) {
       f.tensor("weights") = {"weights", {1, 4}, {1, 2, 3, 4}};
       f.tensor("bias") = {"bias", {1}, {0}};
     },
     "stage 2 (link): softmax of 1 column, expected at least 2"},
    {"UnknownActivation", [](ModelFile& f) { stage(f, 1)["activation"] = "exp"; },
     "stage 1 (dense): activation is \"exp\", expected one of identity, relu, leaky_relu"},
    {"NoSuchTensor", [](ModelFile& f) { stage(f, 1)["weights"] = "w"; },
     "stage 1 (dense): weights: there is no tensor \"w\""},
    {"TensorTwice", [](ModelFile& f) { stage(f, 0)["mean"] = "scale"; },
     "stage 0 (scale): scale: tensor \"scale\" is used already"},
    {"TensorUnused",
     [](ModelFile& f) {
       f.tensors.push_back({"extra", {1}, {1}});
     },
     "tensor \"extra\": no stage uses it"},
    {"WeightsTransposed",
     [](ModelFile& f) {
       f.tensor("weights").shape = {4, 3};
     },
     "stage 1 (dense): weights is [4, 3], expected [*, 4]: a row has 4 columns here"},
    {"WeightsFlat", [](ModelFile& f) { f.tensor("weights").shape = {12}; },
     "stage 1 (dense): weights is [12], expected [*, 4]"},
    {"BiasOfOtherLength",
     [](ModelFile& f) {
       f.tensor("bias") = {"bias", {2}, {1, 2}};
     },
     "stage 1 (dense): bias is [2], expected [3]"},
    {"MeanOfOtherLength",
     [](ModelFile& f) {
       f.tensor("mean") = {"mean", {2}, {1, 2}};
     },
     "stage 0 (scale): mean is [2], expected [4]"},
    {"ScaleMatrix",
     [](ModelFile& f) {
       f.tensor("scale").shape = {1, 4};
     },
     "stage 0 (scale): scale is [1, 4], expected [4]"},
    {"TooManyOutputs",
     [](ModelFile& f) {
       f.tensor("weights") = {"weights", {65537, 4}, std::vector<double>(65537 * 4)};
     },
     "stage 1 (dense): has 65537 outputs, expected at most 65536"},
    {"ScaleZero", [](ModelFile& f) { f.tensor("scale").values[2] = 0; },
     "scale: element 2 is 0, expected a number that is finite and not zero in fp32"},
    {"ScaleNegativeZero", [](ModelFile& f) { f.tensor("scale").values[2] = -0.0; },
     "scale: element 2 is -0, expected"},
    {"ScaleZeroOnceRounded", [](ModelFile& f) { f.tensor("scale").values[2] = 1e-60; },
     "scale: element 2 is 1e-60, expected"},
    {"ScaleNan", [](ModelFile& f) { f.tensor("scale").values[0] = kNan; },
     "scale: element 0 is nan, expected a finite fp32 number"},
    {"MeanInfinite", [](ModelFile& f) { f.tensor("mean").values[3] = -kInfinity; },
     "stage 0 (scale): mean: element 3 is -inf, expected a finite fp32 number"},
    {"WeightNan", [](ModelFile& f) { f.tensor("weights").values[7] = kNan; },
     "stage 1 (dense): weights: element 7 is nan, expected a finite fp32 number"},
    {"WeightTooLargeForFp32", [](ModelFile& f) { f.tensor("weights").values[7] = 1e300; },
     "weights: element 7 is 1e+300, expected a finite fp32 number"},
    {"BiasInfinite", [](ModelFile& f) { f.tensor("bias").values[1] = kInfinity; },
     "stage 1 (dense): bias: element 1 is inf"},
    {"NormalizerOutOfFp32InAnFp64Model",
     [](ModelFile& f) {
       f.graph["precision"] = "fp64";
       f.tensor("mean").values[1] = 1e200;
     },
     "stage 0 (scale, the normalizer): mean: element 1 is 1e+200, expected a finite fp32 number"},
};
INSTANTIATE_TEST_SUITE_P(Stages, Refuses, ::testing::ValuesIn(kStageCases), case_name);

struct HeaderCase {
  std::string name;
  std::string header;
  std::string message;
  std::size_t data_bytes = 16;
};

void PrintTo(const HeaderCase& test, std::ostream* out) { *out << test.name; }

class RefusesHeader : public ::testing::TestWithParam<HeaderCase> {};

TEST_P(RefusesHeader, WithTheReason) {
  const std::string message =
      refusal(join(GetParam().header, Bytes(GetParam().data_bytes, std::byte{0})));
  EXPECT_NE(message.find(GetParam().message), std::string::npos) << "refused with: " << message;
}

std::string header_of(const std::string& entries) {
  return R"({"__metadata__":{"thriftscore":"{}"})" + (entries.empty() ? "" : "," + entries) + "}";
}

std::string entry(const std::string& name, const std::string& shape, const std::string& offsets,
                  const std::string& dtype = "F32") {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
         offsets + "}";
}

const HeaderCase kHeaderCases[] = {
    {"Empty", "", "header: expected to begin with {"},
    {"List", "[1]", "header: expected to begin with {"},
    {"ByteOrderMark", "\xEF\xBB\xBF{}", "header: expected to begin with {"},
    {"NoMetadata", "{}", "key \"__metadata__\" is missing"},
    {"NoGraph", R"({"__metadata__":{}})", "key \"thriftscore\" is missing"},
    {"MetadataOfOthers", R"({"__metadata__":{"thriftscore":"{}","format":"pt"}})",
     "__metadata__: unknown key \"format\""},
    {"GraphNoText", R"({"__metadata__":{"thriftscore":{}}})", "expected text, got object"},
    {"TrailingBytesInHeader", header_of("") + "x", "header: no valid JSON at byte"},
    {"DeepNesting", std::string(R"({"a":)") + std::string(100000, '['),
     "JSON nested deeper than 32"},
    {"VeryLongNumber", "{\"a\":" + std::string(600000, '1') + "}", "a number is out of range"},
    {"KeyTwice", R"({"__metadata__":{},"__metadata__":{}})",
     "header: key \"__metadata__\" is given twice"},
    {"KeyTwiceByEscape", R"({"ab":1,"\u0061b":2})", "header: key \"ab\" is given twice"},
    {"NanLiteral", R"({"a":NaN})", "header: no valid JSON at byte"},
    {"HugeNumber", R"({"a":1e400})", "header: a number is out of range"},
    {"InvalidUtf8", "{\"\xC0\xAF\":1}", "header: no valid JSON at byte"},
    {"LoneSurrogate", R"({"\uD800":1})", "header: no valid JSON at byte"},
    {"ControlCharacter", "{\"a\nb\":1}", "header: no valid JSON at byte"},
    {"TensorNoObject", header_of("\"t\":1"), "tensor \"t\": expected an object, got number"},
    {"TensorUnknownKey",
     header_of(R"("t":{"dtype":"F32","shape":[4],"data_offsets":[0,16],"x":1})"),
     "tensor \"t\": unknown key \"x\""},
    {"UnknownDatatype", header_of(entry("t", "[4]", "[0,16]", "BF16")),
     "tensor \"t\": dtype is \"BF16\", expected F32, F64, I32, I64, U8 or U32"},
    {"NoDimensions", header_of(entry("t", "[]", "[0,16]")),
     "tensor \"t\": has 0 dimensions, expected 1 to 8"},
    {"ManyDimensions", header_of(entry("t", "[1,1,1,1,1,1,1,1,4]", "[0,16]")),
     "tensor \"t\": has 9 dimensions, expected 1 to 8"},
    {"ExtentZero", header_of(entry("t", "[0]", "[0,0]")), "expected extents of at least 1"},
    {"ExtentNegative", header_of(entry("t", "[-4]", "[0,16]")),
     "shape: expected whole numbers from 0, got \"-4\""},
    {"ExtentFraction", header_of(entry("t", "[4.0]", "[0,16]")), "got \"4.0\""},
    {"ExtentText", header_of(entry("t", "[\"4\"]", "[0,16]")), "expected whole numbers from 0"},
    {"ProductOverflows", header_of(entry("t", "[4294967296,4294967296]", "[0,16]")),
     "shape [4294967296, 4294967296] is larger than any file"},
    {"ProductOverflowsToTheRightSize", header_of(entry("t", "[4611686018427387908]", "[0,16]")),
     "is larger than any file"},
    {"HugeShape", header_of(entry("t", "[1000000000000]", "[0,16]")),
     "tensor \"t\": has 16 bytes, expected 4000000000000 for shape"},
    {"SizeOfOtherDatatype", header_of(entry("t", "[4]", "[0,16]", "F64")),
     "tensor \"t\": has 16 bytes, expected 32 for shape [4]"},
    {"RangeBackwards", header_of(entry("t", "[4]", "[16,0]")), "data_offsets are [16, 0]"},
    {"RangeOutside", header_of(entry("t", "[5]", "[0,20]")),
     "data_offsets are [0, 20], expected a begin and an end in the 16 bytes of data"},
    {"RangeFarOutside", header_of(entry("t", "[4]", "[18446744073709551600,18446744073709551615]")),
     "expected a begin and an end in the 16 bytes"},
    {"RangeOfOne", header_of(entry("t", "[4]", "[0]")), "data_offsets are [0]"},
    {"RangeOfThree", header_of(entry("t", "[4]", "[0,8,16]")), "data_offsets are [0, 8, 16]"},
    {"RangeOver64Bits", header_of(entry("t", "[4]", "[0,18446744073709551616]")),
     "data_offsets: expected whole numbers from 0"},
    {"Overlap", header_of(entry("a", "[3]", "[0,12]") + "," + entry("b", "[2]", "[8,16]")),
     "tensor \"b\": begins at byte 8 of the data, inside the tensor before it; expected 12"},
    {"SameRange", header_of(entry("a", "[4]", "[0,16]") + "," + entry("b", "[4]", "[0,16]")),
     "inside the tensor before it"},
    {"Hole", header_of(entry("a", "[1]", "[0,4]") + "," + entry("b", "[2]", "[8,16]")),
     "tensor \"b\": begins at byte 8 of the data, behind a hole; expected 4"},
    {"HoleInFront", header_of(entry("a", "[3]", "[4,16]")), "behind a hole; expected 0"},
    {"BytesBehind", header_of(entry("a", "[3]", "[0,12]")),
     "data: 4 bytes behind the last tensor belong to none"},
    {"Misaligned",
     header_of(entry("a", "[1]", "[0,4]") + "," + entry("b", "[1]", "[4,12]", "F64") + "," +
               entry("c", "[1]", "[12,16]")),
     "tensor \"b\": begins at byte 4 of the data, expected a multiple of its element size"},
};
INSTANTIATE_TEST_SUITE_P(Header, RefusesHeader, ::testing::ValuesIn(kHeaderCases),
                         [](const auto& info) { return info.param.name; });

TEST(Loading, RefusesTooManyJsonValues) {
  std::string list = "1";
  for (int i = 0; i < 300000; ++i) list += ",1";
  EXPECT_EQ(refusal(join("{\"a\":[" + list + "]}", {})), "header: more than 262144 JSON values");
}

TEST(Loading, RefusesAHeaderLengthBeyondTheFile) {
  Bytes file = tiny().build();
  for (const int bit : {16, 24, 32, 62, 63}) {
    Bytes spoilt = file;
    spoilt[static_cast<std::size_t>(bit / 8)] |= std::byte{1} << (bit % 8);
    EXPECT_NE(refusal(spoilt).find("expected at most"), std::string::npos) << bit;
  }
}

TEST(Loading, RefusesAHeaderAboveItsLimit) {
  const std::string header(std::size_t{17} << 20, ' ');
  EXPECT_EQ(refusal(join("{" + header, {})),
            "header: has 17825793 bytes, expected at most 16777216");
}

TEST(Loading, RefusesAFileCutAnywhere) {
  const Bytes file = example(4, 3, "softmax", "fp32").build();
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_NE(refusal(Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size))), "")
        << "loaded " << size << " of " << file.size() << " bytes";
  }
}

TEST(Loading, RefusesBytesBehindTheEnd) {
  Bytes file = tiny().build();
  file.push_back(std::byte{0});
  EXPECT_EQ(refusal(file), "data: 1 bytes behind the last tensor belong to none");
}

// A digest finds flipped bits before a file comes here. Should one not, what loads must be sound.
TEST(Loading, SurvivesEveryFlippedBit) {
  const Bytes file = tiny().build();
  std::size_t loaded = 0;
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    Bytes flipped = file;
    flipped[bit / 8] ^= std::byte{1} << (bit % 8);
    try {
      const auto model = Model::load_bytes(flipped);
      const std::vector<float> x(model->columns(), 0.5F);
      std::vector<float> y(model->outputs());
      std::vector<double> wide(model->outputs());
      Workspace workspace;
      if (model->description().precision == Precision::kFp32) {
        model->score(x.data(), 1, y.data(), workspace);
      } else {
        model->score(x.data(), 1, wide.data(), workspace);
      }
      ++loaded;
    } catch (const ModelError&) {
    }
  }
  EXPECT_GT(loaded, 0U);               // flips in names and weights are harmless to structure
  EXPECT_LT(loaded, file.size() * 4);  // most of the file is checked
}

TEST(Loading, MessagesArePrintableWhateverTheFileHolds) {
  ModelFile file = tiny();
  file.graph["features"][0] = "\x01\n\u00e9" + std::string(100000, 'x');
  file.graph["features"][1] = file.graph["features"][0];
  const std::string message = refusal(file.build());
  EXPECT_LT(message.size(), 200U);
  for (const char character : message) EXPECT_TRUE(character >= ' ' && character <= '~') << message;
}

TEST(Loading, AcceptsLinearAsAnotherNameOfDense) {
  ModelFile file = tiny();
  file.graph["stages"][0]["op"] = "linear";
  EXPECT_EQ(refusal(file.build()), "");
}

TEST(Loading, DescribesTheModel) {
  const auto model = Model::load_bytes(example(4, 3, "softmax", "fp64").build());
  const ModelDescription& description = model->description();
  EXPECT_EQ(model->columns(), 4U);
  EXPECT_EQ(model->outputs(), 3U);
  EXPECT_EQ(description.precision, Precision::kFp64);
  EXPECT_EQ(description.task, "multiclass_classification");
  EXPECT_EQ(description.link, "softmax");
  EXPECT_EQ(description.features, (std::vector<std::string>{"x0", "x1", "x2", "x3"}));
  EXPECT_EQ(description.classes, (std::vector<std::string>{"c0", "c1", "c2"}));
  EXPECT_TRUE(description.refuses_missing);
  EXPECT_TRUE(description.has_normalizer);
  EXPECT_EQ(description.plan,
            (std::vector<std::string>{"dense 4 -> 3, scale folded", "link softmax"}));
}

}  // namespace
}  // namespace thriftscore::testing
