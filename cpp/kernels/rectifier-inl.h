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

// tanh(x) = -p / (2 + p) with p = exp(-2x) - 1, for x >= 0.
template <class V>
HWY_INLINE V tanh_of_positive(hn::ScalableTag<double> d, V x) {
  const V power = exp_minus_one(d, hn::Mul(hn::Set(d, -2.0), x));
  return hn::Div(hn::Neg(power), hn::Add(hn::Set(d, 2.0), power));
}

// x + x^3 P(x^2) below 0.625, with P fitted there for the least relative error (4e-9); above,
// 1 - 2 / (1 + exp(2x)), whose second term is so small that its error hardly counts.
template <class V>
HWY_INLINE V tanh_of_positive(hn::ScalableTag<float> d, V x) {
  constexpr hn::RebindToUnsigned<decltype(d)> du;
  const V square = hn::Mul(x, x);
  V p = hn::Set(d, -0.005704978480935097f);
  p = hn::MulAdd(p, square, hn::Set(d, 0.020639078691601753f));
  p = hn::MulAdd(p, square, hn::Set(d, -0.05373971164226532f));
  p = hn::MulAdd(p, square, hn::Set(d, 0.13331441581249237f));
  p = hn::MulAdd(p, square, hn::Set(d, -0.3333328068256378f));
  const V near_zero = hn::MulAdd(hn::Mul(square, x), p, x);

  const V limit = hn::Set(d, 9.1f);  // from where on the nearest float is 1
  const V bounded = hn::IfThenElse(hn::Gt(x, limit), limit, x);
  const auto reduced = reduce_in_range(d, hn::Add(bounded, bounded));
  const V one = hn::Set(d, 1.0f);
  const auto bits = hn::BitCast(du, hn::Add(one, reduced.tail));
  const V power = hn::BitCast(
      d,
      hn::Add(bits, hn::ShiftLeft<ExponentialConstants<float>::kMantissaBits>(reduced.exponent)));
  const V rest = hn::Div(hn::Set(d, 2.0f), hn::Add(one, power));
  // A NaN is not above, and stays one near zero.
  return hn::IfThenElse(hn::Ge(x, hn::Set(d, 0.625f)), hn::Sub(one, rest), near_zero);
}

struct HyperbolicTangent {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V operator()(D d, V x) const {
    return hn::CopySign(tanh_of_positive(d, hn::Abs(x)), x);
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
    const V power = exp_of_negative(d, hn::Neg(hn::Abs(x)));
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
