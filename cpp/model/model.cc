// SPDX-License-Identifier: Apache-2.0
#include "model/model.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>
#include <variant>

#include "kernels/kernels.h"
#include "model/aligned.h"
#include "model/engine.h"
#include "model/file.h"
#include "model/fold.h"
#include "model/graph.h"
#include "model/labels.h"
#include "model/plan.h"
#include "model/safetensors.h"

namespace thriftscore {
namespace {

// A normaliser's tensors in one precision; empty where the model has none.
template <typename T>
struct NormalizerTensors {
  explicit NormalizerTensors(const std::optional<ScaleSpec>& spec) {
    if (!spec) return;
    mean = rounded<T>(spec->mean);
    scale = rounded<T>(spec->scale);
  }

  kernels::Normalizer<T> kernel_argument() const noexcept {
    assert(!mean.empty());
    return {mean.data(), scale.data(), mean.size()};
  }

  AlignedVector<T> mean;
  AlignedVector<T> scale;
};

using AnyEngine = std::variant<Engine<float>, Engine<double>>;

template <typename T>
Engine<T> make_engine(Graph&& graph) {
  const std::size_t columns = graph.description.features.size();
  ChainSpec body = std::move(graph.stages);
  const auto split = body.begin() + static_cast<std::ptrdiff_t>(links_from(body));
  ChainSpec links(std::make_move_iterator(split), std::make_move_iterator(body.end()));
  body.erase(split, body.end());
  body = fold(std::move(body), graph.description.precision);
  links = fold(std::move(links), graph.description.precision);
  return Engine<T>(make_chain<T>(body, columns), make_chain<T>(links, outputs_of(body, columns)));
}

AnyEngine make_engine(Graph&& graph) {
  if (graph.description.precision == Precision::kFp32) return make_engine<float>(std::move(graph));
  return make_engine<double>(std::move(graph));
}

}  // namespace

struct Model::Program {
  explicit Program(Graph graph)
      : normalizers(NormalizerTensors<float>(graph.normalizer),
                    NormalizerTensors<double>(graph.normalizer)),
        engine(make_engine(std::move(graph))) {}

  std::pair<NormalizerTensors<float>, NormalizerTensors<double>> normalizers;
  AnyEngine engine;
};

void Workspace::Free::operator()(std::byte* data) const noexcept {
  ::operator delete(data, kAlignment);
}

void Workspace::grow(std::size_t bytes) {
  data_.reset(static_cast<std::byte*>(::operator new(bytes, kAlignment)));
  size_ = bytes;
}

Model::Model(ModelDescription description, std::unique_ptr<const Program> program)
    : description_(std::move(description)), program_(std::move(program)) {
  std::visit(
      [this](const auto& engine) {
        columns_ = engine.columns();
        outputs_ = engine.outputs();
        operations_per_row_ = engine.operations();
        description_.plan = engine.plan();
      },
      program_->engine);
}

Model::~Model() = default;

std::shared_ptr<const Model> Model::load_bytes(std::span<const std::byte> file) {
  // Chosen here, which may allocate, rather than in the first score.
  static_cast<void>(kernels::active_target());
  const Safetensors parsed = parse_safetensors(file);
  Graph graph = parse_graph(parsed);
  ModelDescription description = graph.description;
  auto program = std::make_unique<const Program>(std::move(graph));
  return std::shared_ptr<const Model>(new Model(std::move(description), std::move(program)));
}

std::shared_ptr<const Model> Model::load_file(const std::filesystem::path& path) {
  try {
    return load_bytes(read_regular_file(path, kFileBytesMax).span());
  } catch (const ModelError& error) {
    throw ModelError(path.string() + ": " + error.what());
  }
}

std::size_t Model::workspace_bytes() const noexcept {
  return std::visit(
      [](const auto& engine) {
        return std::max(engine.template scratch_bytes<float>(),
                        engine.template scratch_bytes<double>());
      },
      program_->engine);
}

template <typename In, typename Out>
std::optional<MissingValue> Model::score(const In* x, std::size_t rows, Out* y,
                                         Workspace& workspace) const {
  const auto* engine = std::get_if<Engine<Out>>(&program_->engine);
  assert(engine != nullptr);
  return engine->score(x, rows, {y, nullptr}, description_.refuses_missing, workspace);
}

template <typename In, typename Out>
std::optional<MissingValue> Model::evaluate(const In* x, std::size_t rows, const Outputs<Out>& y,
                                            Workspace& workspace) const {
  const auto* engine = std::get_if<Engine<Out>>(&program_->engine);
  assert(engine != nullptr);
  const auto missing =
      engine->score(x, rows, {y.scores, y.margin}, description_.refuses_missing, workspace);
  if (missing) return missing;
  if (y.probabilities != nullptr) {
    write_probabilities(y.scores, rows, outputs_, y.probabilities);
  }
  if (y.labels != nullptr) write_labels(description_, y.scores, rows, outputs_, y.labels);
  return std::nullopt;
}

bool Model::takes_sparse() const noexcept {
  return std::visit([](const auto& engine) { return engine.takes_sparse(); }, program_->engine);
}

template <typename In, typename Out>
std::optional<MissingValue> Model::score_sparse(const SparseRows<In>& x, std::size_t rows, Out* y,
                                                Workspace& workspace) const {
  const auto* engine = std::get_if<Engine<Out>>(&program_->engine);
  assert(engine != nullptr && engine->takes_sparse());
  return engine->score_sparse(x, rows, y, description_.refuses_missing, workspace);
}

template <typename T>
void Model::normalize(const T* x, std::size_t rows, T* y) const noexcept {
  const auto& tensors = std::get<NormalizerTensors<T>>(program_->normalizers);
  kernels::active<T>().normalize(tensors.kernel_argument(), x, rows, y);
}

template <typename T>
void Model::denormalize(const T* x, std::size_t rows, T* y) const noexcept {
  const auto& tensors = std::get<NormalizerTensors<T>>(program_->normalizers);
  kernels::active<T>().denormalize(tensors.kernel_argument(), x, rows, y);
}

template std::optional<MissingValue> Model::score(const float*, std::size_t, float*,
                                                  Workspace&) const;
template std::optional<MissingValue> Model::evaluate(const float*, std::size_t,
                                                     const Outputs<float>&, Workspace&) const;
template std::optional<MissingValue> Model::score(const float*, std::size_t, double*,
                                                  Workspace&) const;
template std::optional<MissingValue> Model::evaluate(const float*, std::size_t,
                                                     const Outputs<double>&, Workspace&) const;
template std::optional<MissingValue> Model::score(const double*, std::size_t, float*,
                                                  Workspace&) const;
template std::optional<MissingValue> Model::evaluate(const double*, std::size_t,
                                                     const Outputs<float>&, Workspace&) const;
template std::optional<MissingValue> Model::score(const double*, std::size_t, double*,
                                                  Workspace&) const;
template std::optional<MissingValue> Model::evaluate(const double*, std::size_t,
                                                     const Outputs<double>&, Workspace&) const;
template std::optional<MissingValue> Model::score_sparse(const SparseRows<float>&, std::size_t,
                                                         float*, Workspace&) const;
template std::optional<MissingValue> Model::score_sparse(const SparseRows<float>&, std::size_t,
                                                         double*, Workspace&) const;
template std::optional<MissingValue> Model::score_sparse(const SparseRows<double>&, std::size_t,
                                                         float*, Workspace&) const;
template std::optional<MissingValue> Model::score_sparse(const SparseRows<double>&, std::size_t,
                                                         double*, Workspace&) const;
template void Model::normalize(const float*, std::size_t, float*) const noexcept;
template void Model::normalize(const double*, std::size_t, double*) const noexcept;
template void Model::denormalize(const float*, std::size_t, float*) const noexcept;
template void Model::denormalize(const double*, std::size_t, double*) const noexcept;

}  // namespace thriftscore
