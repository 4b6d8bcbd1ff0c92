// SPDX-License-Identifier: Apache-2.0
// Input: the header section of a THeader frame.
#include <cstdint>

#include "fuzz/require.h"
#include "wire/info_headers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace thriftscore;
  using namespace thriftscore::wire;
  HeaderSection section;
  const Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  if (section.read(bytes) != Status::kOk) return 0;
  const auto* first = reinterpret_cast<const char*>(data);
  const auto is_inside = [&](std::string_view text) {
    return text.data() >= first && text.data() + text.size() <= first + size;
  };
  std::size_t pairs = 0;
  InfoPair last;
  section.headers.for_each([&](const InfoPair& pair) {
    require("a header is outside of its section", is_inside(pair.key) && is_inside(pair.value));
    last = pair;
    ++pairs;
  });
  require("not all headers were visited",
          pairs == section.headers.size() && pairs <= kInfoPairsMax);
  require("the last header was not found",
          pairs == 0 || section.headers.find(last.key) == last.value);
  return 0;
}
