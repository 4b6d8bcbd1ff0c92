// SPDX-License-Identifier: Apache-2.0
// The activations of neurons and the rarer links, in place. A NaN stays one.
// Compiled once per target: the guard is flipped by foreach_target.h.
#if defined(THRIFTSCORE_KERNELS_RECTIFIER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THRIFTSCORE_KERNELS_RECTIFIER_INL_H_
#undef THRIFTSCORE_KERNELS_RECTIFIER_INL_H_
#else
#define THRIFTSCORE_KERNELS_RECTIFIER_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>

#include "kernels/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thriftscore::kernels::HWY_NAMESPACE {

struct Relu {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);
  }
};

template <typename T>
struct LeakyRelu {
  T alpha;

  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(x, hn::Set(d, alpha)), x);
  }
};

template <typename T>
void leaky_relu(T alpha, T* y, std::size_t count) noexcept {
  transform_with(LeakyRelu<T>{alpha}, y, count);
}

template <typename T>
struct ExponentialUnit {
  T positive;
  T negative;

  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V operator()(D d, V x) const {
    const auto above = hn::Gt(x, hn::Zero(d));
    const V power = exp_minus_one(d, hn::IfThenZeroElse(above, x));
    return hn::IfThenElse(above, hn::Mul(x, hn::Set(d, positive)),
                          hn::Mul(power, hn::Set(d, negative)));
  }
};

template <typename T>
void exponential_unit(T positive, T negative, T* y, std::size_t count) noexcept {
  transform_with(ExponentialUnit<T>{positive, negative}, y, count);
}

// -value / (2 + value), for float rounded once.
template <class V>
HWY_INLINE V tanh_of_power(hn::ScalableTag<double> d, V value) {
  return hn::Div(hn::Neg(value), hn::Add(hn::Set(d, 2.0), value));
}

template <class V>
HWY_INLINE V tanh_of_power(hn::ScalableTag<float> /*d*/, V value) {
  constexpr auto d = InDouble::kWide;
  return InDouble::rounded(tanh_of_power(d, InDouble::lower(value)),
                           tanh_of_power(d, InDouble::upper(value)));
}

struct HyperbolicTangent {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V operator()(D d, V x) const {
    const V power = exp_minus_one(d, hn::Mul(hn::Set(d, hn::TFromD<D>{-2}), hn::Abs(x)));
    return hn::CopySign(tanh_of_power(d, power), x);
  }
};

// 1/3 + q (1/5 + q (1/7 + ... + q / (2 kTerms + 1))).
template <int kTerms, int kTerm = 1, class D, class V = hn::Vec<D>>
HWY_INLINE V inverse_tangent_tail(D d, V q) {
  const V coefficient = hn::Set(d, hn::TFromD<D>{1} / (2 * kTerm + 1));
  if constexpr (kTerm == kTerms) {
    return coefficient;
  } else {
    return hn::MulAdd(inverse_tangent_tail<kTerms, kTerm + 1>(d, q), q, coefficient);
  }
}

// log(1 + power) for 0 <= power <= 1, as 2 artanh(u / 2) with u = 2 power / (2 + power): the terms
// of its series fall by 9 or more.
template <int kTerms, class D, class V = hn::Vec<D>>
HWY_INLINE V log_of_one_plus(D d, V power) {
  const V two = hn::Set(d, 2.0);
  const V u = hn::Div(hn::Add(power, power), hn::Add(two, power));
  const V q = hn::Mul(hn::Mul(u, u), hn::Set(d, 0.25));
  return hn::MulAdd(hn::Mul(u, q), inverse_tangent_tail<kTerms>(d, q), u);
}

// positive + log(1 + power), for float rounded once.
template <class V>
HWY_INLINE V softplus_of_power(hn::ScalableTag<double> d, V positive, V power) {
  return hn::Add(positive, log_of_one_plus<16>(d, power));
}

template <class V>
HWY_INLINE V softplus_of_power(hn::ScalableTag<float> /*d*/, V positive, V power) {
  constexpr auto d = InDouble::kWide;
  return InDouble::rounded(
      hn::Add(InDouble::lower(positive), log_of_one_plus<8>(d, InDouble::lower(power))),
      hn::Add(InDouble::upper(positive), log_of_one_plus<8>(d, InDouble::upper(power))));
}

// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)): nothing overflows or cancels.
struct Softplus {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V operator()(D d, V x) const {
    const V power = exp_of_sum(d, hn::Neg(hn::Abs(x)), hn::Zero(d));
    return softplus_of_power(d, Relu()(d, x), power);
  }
};

struct ComplementaryLogLog {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::Neg(exp_minus_one(d, hn::Neg(exp_of_sum(d, x, hn::Zero(d)))));
  }
};

}  // namespace thriftscore::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // THRIFTSCORE_KERNELS_RECTIFIER_INL_H_
