// SPDX-License-Identifier: Apache-2.0
#include "server/catalog_view.h"

#include <algorithm>
#include <utility>

namespace thriftscore::server {

const LoopTarget* CatalogView::find_target(std::string_view model, std::string_view version) {
  if (last_ != nullptr && model == last_model_ && version == last_version_) return last_;
  const auto named = names_.find(model);
  if (named == names_.end()) return nullptr;
  const auto found = named->second.find(version);
  if (found == named->second.end()) return nullptr;
  last_model_ = model;
  last_version_ = version;
  last_ = &found->second;
  return last_;
}

const LoopChoice& CatalogView::choose(
    const LoopSplit& split, const std::optional<wire::RequestContext>& context) const noexcept {
  const auto id = context ? context->request_id.value_or("") : std::string_view();
  return split.choices[split.split.pick(id, draws_)];
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
  Made made;
  for (const auto& [name, model] : *snapshot) {
    auto& targets = names_[name];
    for (const auto& [version, served] : model.versions) {
      targets[version].choice =
          version.empty() ? choice_of(model, served, made) : LoopChoice{of(served, made), nullptr};
    }
    if (!model.split.empty()) targets[""].split = split_of(model, made);
  }
  statistics_.retain([&made](const ServedVersion& served) { return made.contains(&served); });
}

/** What answers a request that names no version. */
LoopChoice CatalogView::choice_of(const PublishedModel& model,
                                  const std::shared_ptr<const ServedVersion>& served, Made& made) {
  LoopChoice choice{of(served, made), nullptr};
  if (model.shadow != nullptr && model.shadow != served) {
    choice.comparison = shadows_.comparison(served->model_name, {served->version, served->model},
                                            {model.shadow->version, model.shadow->model});
  }
  return choice;
}

LoopVersion* CatalogView::of(const std::shared_ptr<const ServedVersion>& served, Made& made) {
  auto& version = made[served.get()];
  if (version == nullptr) {
    versions_.push_back(std::make_unique<LoopVersion>(LoopVersion{.served = served}));
    version = versions_.back().get();
  }
  return version;
}

std::unique_ptr<LoopSplit> CatalogView::split_of(const PublishedModel& model, Made& made) {
  std::vector<std::uint32_t> weights;
  std::vector<LoopChoice> choices;
  for (const auto& [served, weight] : model.split) {
    weights.push_back(weight);
    choices.push_back(choice_of(model, served, made));
  }
  return std::make_unique<LoopSplit>(LoopSplit{Split(weights), std::move(choices)});
}

}  // namespace thriftscore::server
