// SPDX-License-Identifier: Apache-2.0
#include "server/catalog_view.h"

#include <algorithm>
#include <unordered_map>

namespace thriftscore::server {

LoopVersion* CatalogView::find(std::string_view model, std::string_view version) {
  if (last_ != nullptr && model == last_model_ && version == last_version_) return last_;
  const auto named = names_.find(model);
  if (named == names_.end()) return nullptr;
  const auto found = named->second.find(version);
  if (found == named->second.end()) return nullptr;
  last_model_ = model;
  last_version_ = version;
  last_ = found->second;
  return last_;
}

CallStatistics& CatalogView::successes(LoopVersion& version, Method method) {
  auto& known = version.successes[static_cast<std::size_t>(method)];
  if (known == nullptr) known = &statistics_.of({version.served, method, std::nullopt});
  return *known;
}

void CatalogView::refresh() {
  const auto [snapshot, generation] = catalog_.current();
  generation_ = generation;
  last_ = nullptr;
  names_.clear();
  versions_.clear();
  std::unordered_map<const ServedVersion*, LoopVersion*> made;
  for (const auto& [model, versions] : *snapshot) {
    auto& names = names_[model];
    for (const auto& [name, served] : versions) {
      auto& version = made[served.get()];
      if (version == nullptr) {
        versions_.push_back(std::make_unique<LoopVersion>(LoopVersion{.served = served}));
        version = versions_.back().get();
      }
      names[name] = version;
    }
  }
  statistics_.retain([&made](const ServedVersion& served) { return made.contains(&served); });
}

}  // namespace thriftscore::server
