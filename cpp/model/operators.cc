// SPDX-License-Identifier: Apache-2.0
#include "model/operators.h"

#include <map>
#include <string_view>

#include "model/error.h"

namespace thriftscore {
namespace {

using StageParser = StageSpec (*)(const StageContext&);

StageParser parser_of(const std::string& op, const std::string& where) {
  // A line for each operator.
  static const std::map<std::string_view, StageParser> kParsers = {
      {"binarize", parse_binarize},            //
      {"clip", parse_clip},                    //
      {"concat", parse_concat},                //
      {"dense", parse_dense},                  //
      {"impute", parse_impute},                //
      {"linear", parse_dense},                 //
      {"link", parse_link},                    //
      {"one_hot", parse_one_hot},              //
      {"row_norm", parse_row_norm},            //
      {"scale", parse_scale},                  //
      {"select", parse_select},                //
      {"sparse_linear", parse_sparse_linear},  //
      {"sum", parse_sum},                      //
      {"tree_ensemble", parse_tree_ensemble},  //
  };
  const auto found = kParsers.find(op);
  if (found == kParsers.end()) refuse(where, ": unknown operator ", shown(op));
  return found->second;
}

}  // namespace

ChainSpec parse_chain(const Json& list, const ChainPlace& place, FileContext& file) {
  file.count_stages(list.size(), place.where + "stages");
  ChainSpec chain;
  std::size_t columns = place.columns;
  for (std::size_t index = 0; index < list.size(); ++index) {
    const std::string number =
        std::string(place.where).append("stage ").append(std::to_string(index));
    const std::string& op = JsonObject(list[index], number).text("op");
    const StageParser parse = parser_of(op, number);
    const std::string where = std::string(number).append(" (").append(op).append(")");
    chain.push_back(parse({JsonObject(list[index], where), where, columns, place.depth, file}));
    columns = chain.back().outputs;
  }
  return chain;
}

}  // namespace thriftscore
