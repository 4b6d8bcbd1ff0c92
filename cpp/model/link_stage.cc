// SPDX-License-Identifier: Apache-2.0
#include <memory>

#include "model/chain.h"
#include "model/function.h"
#include "model/stage.h"

namespace thriftscore {
namespace {

template <typename T>
class LinkStage final : public Stage<T> {
 public:
  LinkStage(Function function, std::size_t columns)
      : Stage<T>(columns, columns), function_(function) {}

  bool in_place() const noexcept override { return true; }
  bool passes_nan() const noexcept override { return true; }
  void run(const T* x, std::size_t rows, T* y, std::byte* /*scratch*/) const noexcept override {
    copy_values(x, rows * this->columns(), y);
    apply(function_, T{0}, y, rows, this->columns());
  }
  std::size_t operations() const noexcept override {
    return operations_of(function_) * this->columns();
  }
  std::string describe() const override { return std::string("link ") + name_of(function_); }

 private:
  Function function_;
};

}  // namespace

template <typename T>
StagePointer<T> make_stage(const LinkSpec& link, std::size_t columns) {
  return std::make_unique<LinkStage<T>>(link.function, columns);
}

template StagePointer<float> make_stage(const LinkSpec&, std::size_t);
template StagePointer<double> make_stage(const LinkSpec&, std::size_t);

}  // namespace thriftscore
