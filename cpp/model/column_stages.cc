// SPDX-License-Identifier: Apache-2.0
// Stages that work on one column at a time.
#include <memory>

#include "kernels/kernels.h"
#include "model/stage.h"

namespace thriftscore {
namespace {

template <typename T>
class ScaleStage final : public Stage<T> {
 public:
  explicit ScaleStage(const ScaleSpec& scale)
      : Stage<T>(scale.mean.size(), scale.mean.size()),
        mean_(rounded<T>(scale.mean)),
        scale_(rounded<T>(scale.scale)) {}

  bool in_place() const noexcept override { return true; }
  bool passes_nan() const noexcept override { return true; }
  void run(const T* x, std::size_t rows, T* y, std::byte* /*scratch*/) const noexcept override {
    kernels::active<T>().normalize({mean_.data(), scale_.data(), mean_.size()}, x, rows, y);
  }
  std::size_t operations() const noexcept override { return mean_.size(); }
  std::string describe() const override { return "scale " + std::to_string(mean_.size()); }

 private:
  AlignedVector<T> mean_;
  AlignedVector<T> scale_;
};

}  // namespace

template <typename T>
StagePointer<T> make_stage(const ScaleSpec& scale, std::size_t /*columns*/) {
  return std::make_unique<ScaleStage<T>>(scale);
}

template StagePointer<float> make_stage(const ScaleSpec&, std::size_t);
template StagePointer<double> make_stage(const ScaleSpec&, std::size_t);

}  // namespace thriftscore
