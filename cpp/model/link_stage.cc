// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "kernels/kernels.h"
#include "model/chain.h"
#include "model/stage.h"

namespace thriftscore {
namespace {

template <typename T>
class LinkStage final : public Stage<T> {
 public:
  LinkStage(LinkFunction function, std::size_t columns)
      : Stage<T>(columns, columns), function_(function) {}

  bool in_place() const noexcept override { return true; }
  bool passes_nan() const noexcept override { return true; }
  void run(const T* x, std::size_t rows, T* y, std::byte* /*scratch*/) const noexcept override {
    const std::size_t count = rows * this->columns();
    copy_values(x, count, y);
    const kernels::Kernels<T>& kernels = kernels::active<T>();
    if (function_ == LinkFunction::kSigmoid) kernels.sigmoid(y, count);
    if (function_ == LinkFunction::kExponential) kernels.exponential(y, count);
    if (function_ == LinkFunction::kSoftmax) kernels.softmax(y, rows, this->columns());
  }
  std::size_t operations() const noexcept override {
    return function_ == LinkFunction::kIdentity ? 0 : kTranscendentalOperations * this->columns();
  }
  std::string describe() const override { return std::string("link ") + name_of(function_); }

 private:
  LinkFunction function_;
};

}  // namespace

template <typename T>
StagePointer<T> make_stage(const LinkSpec& link, std::size_t columns) {
  return std::make_unique<LinkStage<T>>(link.function, columns);
}

template StagePointer<float> make_stage(const LinkSpec&, std::size_t);
template StagePointer<double> make_stage(const LinkSpec&, std::size_t);

}  // namespace thriftscore
