// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/rpc/command_line.h"

#include <gtest/gtest.h>

#include "benchmarks/rpc/endpoint.h"

namespace thriftscore::benchmarks {
namespace {

struct Values {
  bool poll = false;
  std::size_t depth = 1;
  double rate = 0;
  int cpu = -1;
  char letter = 'a';
  std::string model;
  std::vector<std::string> names;
};

Values parse(std::vector<const char*> arguments) {
  Values values;
  CommandLine line("program", "Purpose.");
  line.flag("--poll", values.poll, "");
  line.count("--depth", values.depth, {1, 64}, "");
  line.real("--rate", values.rate, {0.5, 1e8}, "");
  line.integer("--cpu", values.cpu, {-1, 7}, "");
  line.choice("--letter", values.letter, {{"first", 'a'}, {"second", 'b'}}, "");
  line.text("--model", values.model, "");
  line.texts("--name", values.names, "");
  EXPECT_TRUE(line.parse(arguments));
  return values;
}

std::string refusal_of(std::vector<const char*> arguments) {
  try {
    parse(std::move(arguments));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(CommandLine, TakesValuesInBothForms) {
  const Values values = parse({"--poll", "--depth", "64", "--rate=0.5", "--cpu", "-1", "--letter",
                               "second", "--model=", "--name", "x", "--name=y=z"});
  EXPECT_TRUE(values.poll);
  EXPECT_EQ(values.depth, 64U);
  EXPECT_EQ(values.rate, 0.5);
  EXPECT_EQ(values.cpu, -1);
  EXPECT_EQ(values.letter, 'b');
  EXPECT_EQ(values.model, "");
  EXPECT_EQ(values.names, (std::vector<std::string>{"x", "y=z"}));
}

TEST(CommandLine, RefusesWhatIsOutOfRangeOrUnknown) {
  EXPECT_EQ(refusal_of({"--depth", "0"}), "--depth: expected 1 to 64, received '0'");
  EXPECT_EQ(refusal_of({"--depth", "65"}), "--depth: expected 1 to 64, received '65'");
  EXPECT_EQ(refusal_of({"--depth", "-1"}), "--depth: expected 1 to 64, received '-1'");
  EXPECT_EQ(refusal_of({"--depth", "7x"}), "--depth: expected 1 to 64, received '7x'");
  EXPECT_EQ(refusal_of({"--depth", ""}), "--depth: expected 1 to 64, received ''");
  EXPECT_EQ(refusal_of({"--rate", "nan"}), "--rate: expected 0.5 to 1e+08, received 'nan'");
  EXPECT_EQ(refusal_of({"--letter", "c"}), "--letter: expected first|second, received 'c'");
  EXPECT_EQ(refusal_of({"--depth"}), "--depth: expected a value, received none");
  EXPECT_EQ(refusal_of({"--poll=yes"}), "--poll takes no value");
  EXPECT_EQ(refusal_of({"--dept", "1"}), "no such option: '--dept'; --help lists them");
}

TEST(Endpoint, IsAHostAndPortOrAPath) {
  EXPECT_EQ(Endpoint::parse("localhost:9090").host, "localhost");
  EXPECT_EQ(Endpoint::parse("localhost:9090").port, "9090");
  EXPECT_EQ(Endpoint::parse("[::1]:9090").host, "::1");
  EXPECT_EQ(Endpoint::parse("unix:/tmp/a:1").unix_path, "/tmp/a:1");
  for (const char* wrong : {"", "localhost", "localhost:", ":9090", "localhost:http", "[]:1",
                            "unix:", "localhost:123456"}) {
    EXPECT_THROW(Endpoint::parse(wrong), UsageError) << wrong;
  }
  EXPECT_THROW(Endpoint::parse("unix:" + std::string(200, 'x')), UsageError);
}

}  // namespace
}  // namespace thriftscore::benchmarks
