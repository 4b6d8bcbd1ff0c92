// SPDX-License-Identifier: Apache-2.0
// Models whose weights, indices and graphs were changed at random, in files that are otherwise
// right: each is refused, or scores any rows within its memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "fuzz/model_oracle.h"
#include "tests/model/model_files.h"

namespace thriftscore::testing {
namespace {

constexpr std::size_t kMutants = 1'000;
constexpr std::size_t kChangesMax = 3;

/// A model file taken apart.
struct Parts {
  Json header;
  Json graph;
  Bytes data;

  Bytes build() const {
    Json whole = header;
    whole["__metadata__"]["thriftscore"] = graph.dump();
    return join(whole.dump(), data);
  }
};

Parts take_apart(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  Parts parts;
  parts.header = Json::parse(bytes.substr(sizeof(length), length));
  parts.graph = Json::parse(parts.header["__metadata__"]["thriftscore"].get<std::string>());
  const auto* data = reinterpret_cast<const std::byte*>(bytes.data());
  parts.data.assign(data + sizeof(length) + length, data + bytes.size());
  return parts;
}

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  Bytes mutated(Parts parts) {
    const std::size_t changes = 1 + below(kChangesMax);
    for (std::size_t i = 0; i < changes; ++i) {
      if (below(2) == 0) {
        change_tensor(parts);
      } else {
        change_graph(parts.graph);
      }
    }
    Bytes file = parts.build();
    if (below(8) == 0) file[below(file.size())] ^= std::byte{1} << below(8);
    return file;
  }

 private:
  std::size_t below(std::size_t end) { return random_() % end; }

  template <typename T>
  T odd_number(T now) {
    using Limits = std::numeric_limits<T>;
    const std::array<T, 12> odd = {T{0},
                                   T{1},
                                   static_cast<T>(-1),
                                   static_cast<T>(now + T{1}),
                                   static_cast<T>(now - T{1}),
                                   static_cast<T>(-now),
                                   Limits::max(),
                                   Limits::lowest(),
                                   static_cast<T>(Limits::max() / 2),
                                   static_cast<T>(below(64)),
                                   Limits::quiet_NaN(),
                                   Limits::infinity()};
    return odd[below(odd.size())];
  }

  template <typename T>
  void change_value(std::byte* at) {
    T value;
    std::memcpy(&value, at, sizeof(T));
    // Unsigned arithmetic of the integers wraps; that of the others is theirs.
    if constexpr (std::is_signed_v<T> && std::is_integral_v<T>) {
      value = static_cast<T>(odd_number(static_cast<std::make_unsigned_t<T>>(value)));
    } else {
      value = odd_number(value);
    }
    std::memcpy(at, &value, sizeof(T));
  }

  void change_tensor(Parts& parts) {
    std::vector<std::string> names;
    for (const auto& entry : parts.header.items()) {
      if (entry.key() != "__metadata__") names.push_back(entry.key());
    }
    const Json& tensor = parts.header[names[below(names.size())]];
    const auto begin = tensor["data_offsets"][0].get<std::size_t>();
    const auto end = tensor["data_offsets"][1].get<std::size_t>();
    const auto dtype = tensor["dtype"].get<std::string>();
    const std::size_t size = dtype.ends_with("64") ? 8 : dtype.ends_with("32") ? 4 : 1;
    if (end - begin < size) return;
    std::byte* at = parts.data.data() + begin + below((end - begin) / size) * size;
    if (dtype == "F32") change_value<float>(at);
    if (dtype == "F64") change_value<double>(at);
    if (dtype == "I32") change_value<std::int32_t>(at);
    if (dtype == "I64") change_value<std::int64_t>(at);
    if (dtype == "U8") change_value<std::uint8_t>(at);
    if (dtype == "U32") change_value<std::uint32_t>(at);
  }

  void change_graph(Json& graph) {
    const Json flat = graph.flatten();
    const auto place = [&] {
      const auto index = static_cast<std::ptrdiff_t>(below(flat.size()));
      return Json::json_pointer(std::next(flat.begin(), index).key());
    };
    const Json::json_pointer changed = place();
    switch (below(4)) {
      case 0:  // what stands elsewhere
        graph[changed] = Json(graph[place()]);
        break;
      case 1:
        erase(graph[changed.parent_pointer()], changed.back());
        break;
      case 2:
        graph[changed] = odd_json();
        break;
      default:
        if (graph[changed].is_number_integer()) {
          graph[changed] = graph[changed].get<std::int64_t>() + 1;
        }
    }
  }

  static void erase(Json& parent, const std::string& key) {
    if (parent.is_array()) {
      parent.erase(static_cast<std::size_t>(std::stoul(key)));
    } else {
      parent.erase(key);
    }
  }

  Json odd_json() {
    const std::array<Json, 10> odd = {Json(),
                                      Json(0),
                                      Json(-1),
                                      Json(std::numeric_limits<std::int64_t>::max()),
                                      Json(2.5),
                                      Json(""),
                                      Json(Json::array()),
                                      Json(Json::object()),
                                      Json(true),
                                      Json(std::string(300, 'x'))};
    return odd[below(odd.size())];
  }

  std::mt19937_64 random_;
};

class Mutation : public ::testing::TestWithParam<std::string> {};

TEST_P(Mutation, IsRefusedOrScoresWithinItsMemory) {
  const Parts whole = take_apart(std::filesystem::path(THRIFTSCORE_MODEL_CORPUS) / GetParam());
  ASSERT_TRUE(check_model(whole.build()));
  std::size_t loaded = 0;
  for (std::size_t seed = 0; seed < kMutants; ++seed) {
    loaded += check_model(Mutator(seed).mutated(whole)) ? 1 : 0;
  }
  // Both kinds are worth watching, and a mutator that makes only one of them watches little.
  EXPECT_GT(loaded, kMutants / 20);
  EXPECT_LT(loaded, kMutants - kMutants / 20);
}

std::vector<std::string> corpus() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(THRIFTSCORE_MODEL_CORPUS)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Corpus, Mutation, ::testing::ValuesIn(corpus()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace thriftscore::testing
