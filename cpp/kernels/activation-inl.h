// SPDX-License-Identifier: Apache-2.0
// exp, the logistic function and softmax, in place.
// Compiled once per target: the guard is flipped by foreach_target.h.
#if defined(THRIFTSCORE_KERNELS_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef THRIFTSCORE_KERNELS_ACTIVATION_INL_H_
#undef THRIFTSCORE_KERNELS_ACTIVATION_INL_H_
#else
#define THRIFTSCORE_KERNELS_ACTIVATION_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <limits>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thriftscore::kernels::HWY_NAMESPACE {

// The two parts of ln 2 are those of fdlibm's e_exp.c and e_expf.c (Sun Microsystems, 1993): the
// high one has so few digits that its product with any exponent is exact.
template <typename T>
struct ExponentialConstants;

template <>
struct ExponentialConstants<float> {
  static constexpr int kBias = 127;
  static constexpr int kMantissaBits = 23;
  static constexpr float kLimit = 110.0f;  // exp(kLimit) overflows, exp(-kLimit) rounds to zero
  static constexpr float kLn2High = 6.9314575195e-01f;
  static constexpr float kLn2Low = 1.4286067653e-06f;
};

template <>
struct ExponentialConstants<double> {
  static constexpr int kBias = 1023;
  static constexpr int kMantissaBits = 52;
  static constexpr int kDegree = 13;  // the next term of the series is below 5e-18
  static constexpr double kLimit = 760.0;
  static constexpr double kLn2High = 6.93147180369123816490e-01;
  static constexpr double kLn2Low = 1.90821492927058770002e-10;
};

constexpr double inverse_factorial(int n) { return n == 0 ? 1.0 : inverse_factorial(n - 1) / n; }

// (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2: the series 1/2! + r/3! + ...
template <int kTerm = 2, class V>
HWY_INLINE V exponential_tail(hn::ScalableTag<double> d, V r) {
  const V coefficient = hn::Set(d, inverse_factorial(kTerm));
  if constexpr (kTerm == ExponentialConstants<double>::kDegree) {
    return coefficient;
  } else {
    return hn::MulAdd(exponential_tail<kTerm + 1>(d, r), r, coefficient);
  }
}

// The same, fitted there so that the relative error of exp(r) is the least: 4.4e-9.
template <class V>
HWY_INLINE V exponential_tail(hn::ScalableTag<float> d, V r) {
  V p = hn::Set(d, 0.0013814467238262296f);
  p = hn::MulAdd(p, r, hn::Set(d, 0.008368780836462975f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.04166839271783829f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.1666651964187622f));
  return hn::MulAdd(p, r, hn::Set(d, 0.4999999403953552f));
}

// value * 2^n in two steps, because 2^n itself may be out of range; |n| < 2 * bias.
template <class D, class V = hn::Vec<D>, class U = hn::Vec<hn::RebindToUnsigned<D>>>
HWY_INLINE V scale_by_power_of_two(D d, V value, U n) {
  using Constants = ExponentialConstants<hn::TFromD<D>>;
  constexpr hn::RebindToUnsigned<D> du;
  using Unsigned = hn::TFromD<decltype(du)>;
  constexpr auto kBias = static_cast<Unsigned>(Constants::kBias);
  // floor(n / 2) + bias + 1: the offset keeps the shifted number positive.
  const U half = hn::ShiftRight<1>(hn::Add(n, hn::Set(du, 2 * (kBias + 1))));
  const U first = hn::Sub(half, hn::Set(du, 1));
  const U second = hn::Sub(hn::Add(n, hn::Set(du, 2 * kBias + 1)), half);
  const V first_power = hn::BitCast(d, hn::ShiftLeft<Constants::kMantissaBits>(first));
  const V second_power = hn::BitCast(d, hn::ShiftLeft<Constants::kMantissaBits>(second));
  return hn::Mul(hn::Mul(value, first_power), second_power);
}

// x = n ln 2 + r with |r| <= ln(2) / 2, as exp(r) - 1 and n.
template <class D>
struct ReducedExponential {
  hn::Vec<D> tail;
  hn::Vec<hn::RebindToUnsigned<D>> exponent;
};

// Of x + low, where low is what rounding left out of x, if it left anything: at most half a unit in
// its last place. |x| <= kLimit.
template <class D, class V = hn::Vec<D>, class... Low>
HWY_INLINE ReducedExponential<D> reduce_in_range(D d, V x, Low... low) {
  using T = hn::TFromD<D>;
  using Constants = ExponentialConstants<T>;
  constexpr hn::RebindToUnsigned<D> du;
  // Adding 1.5 * 2^mantissa rounds to an integer and leaves it in the low bits.
  const V shifter = hn::Set(d, static_cast<T>(3ull << (Constants::kMantissaBits - 1)));
  const V shifted = hn::MulAdd(x, hn::Set(d, static_cast<T>(1.44269504088896340736)), shifter);
  const V n = hn::Sub(shifted, shifter);
  const V high = hn::NegMulAdd(n, hn::Set(d, Constants::kLn2High), x);
  const V ln2_low = hn::Set(d, Constants::kLn2Low);
  V r;
  if constexpr (sizeof...(low) == 0) {
    r = hn::NegMulAdd(n, ln2_low, high);
  } else {
    r = hn::Add(high, hn::NegMulAdd(n, ln2_low, low...));
  }
  return {hn::MulAdd(hn::Mul(r, r), exponential_tail(d, r), r),
          hn::Sub(hn::BitCast(du, shifted), hn::BitCast(du, shifter))};
}

// Of any x + low; low may be anything when x is infinite.
template <class D, class V = hn::Vec<D>>
HWY_INLINE ReducedExponential<D> reduce_exponential(D d, V x, V low) {
  const V limit = hn::Set(d, ExponentialConstants<hn::TFromD<D>>::kLimit);
  // Beyond the limits the scaling alone makes infinity or zero. A NaN compares false and stays.
  const auto above = hn::Gt(x, limit);
  const auto below = hn::Lt(x, hn::Neg(limit));
  x = hn::IfThenElse(above, limit, hn::IfThenElse(below, hn::Neg(limit), x));
  return reduce_in_range(d, x, hn::IfThenZeroElse(hn::Or(above, below), low));
}

// exp(x + low); low as above.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_of_sum(D d, V x, V low) {
  const auto reduced = reduce_exponential(d, x, low);
  const V one = hn::Set(d, hn::TFromD<D>{1});
  return scale_by_power_of_two(d, hn::Add(one, reduced.tail), reduced.exponent);
}

// exp(x) for x <= 0.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_of_negative(D d, V x) {
  const V limit = hn::Set(d, -ExponentialConstants<hn::TFromD<D>>::kLimit);
  const V bounded = hn::IfThenElse(hn::Lt(x, limit), limit, x);  // a NaN compares false and stays
  const auto reduced = reduce_in_range(d, bounded);
  const V one = hn::Set(d, hn::TFromD<D>{1});
  return scale_by_power_of_two(d, hn::Add(one, reduced.tail), reduced.exponent);
}

// exp(x) - 1 for x <= 0, without cancelling digits near zero.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_minus_one(D d, V x) {
  const auto reduced = reduce_exponential(d, x, hn::Zero(d));
  const V one = hn::Set(d, hn::TFromD<D>{1});
  const V power = scale_by_power_of_two(d, one, reduced.exponent);
  return hn::MulAdd(power, reduced.tail, hn::Sub(power, one));
}

struct Exponential {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V operator()(D d, V x) const {
    return exp_of_sum(d, x, hn::Zero(d));
  }
};

// A vector of floats as two of doubles, and back.
struct InDouble {
  using V = hn::Vec<hn::ScalableTag<float>>;
  using Wide = hn::Vec<hn::ScalableTag<double>>;
  static constexpr hn::ScalableTag<double> kWide{};
  static constexpr hn::Half<hn::ScalableTag<float>> kHalf{};

  static HWY_INLINE Wide lower(V v) { return hn::PromoteTo(kWide, hn::LowerHalf(kHalf, v)); }
  static HWY_INLINE Wide upper(V v) { return hn::PromoteTo(kWide, hn::UpperHalf(kHalf, v)); }
  static HWY_INLINE V rounded(Wide lower, Wide upper) {
    return hn::Combine(hn::ScalableTag<float>(), hn::DemoteTo(kHalf, upper),
                       hn::DemoteTo(kHalf, lower));
  }
};

// numerator / (1 + power), for float rounded nearly once: three roundings of its own beside that of
// the power would exceed 2 ulp. 0 <= power <= 1.
template <class V>
HWY_INLINE V divide_by_one_plus(hn::ScalableTag<double> d, V numerator, V power) {
  return hn::Div(numerator, hn::Add(hn::Set(d, 1.0), power));
}

#if HWY_NATIVE_FMA
// With what rounding leaves out of the sum (Dekker's Fast2Sum) and of the quotient.
template <class V>
HWY_INLINE V divide_by_one_plus(hn::ScalableTag<float> d, V numerator, V power) {
  const V one = hn::Set(d, 1.0f);
  const V sum = hn::Add(one, power);
  const V lost = hn::Sub(power, hn::Sub(sum, one));
  const V inverse = hn::Div(one, sum);
  const V quotient = hn::Mul(numerator, inverse);
  const V rest = hn::NegMulAdd(quotient, lost, hn::NegMulAdd(quotient, sum, numerator));
  return hn::MulAdd(rest, inverse, quotient);
}
#else
template <class V>
HWY_INLINE V divide_by_one_plus(hn::ScalableTag<float> /*d*/, V numerator, V power) {
  constexpr auto d = InDouble::kWide;
  return InDouble::rounded(
      divide_by_one_plus(d, InDouble::lower(numerator), InDouble::lower(power)),
      divide_by_one_plus(d, InDouble::upper(numerator), InDouble::upper(power)));
}
#endif

// exp(-|x|) cannot overflow, and dividing it keeps the digits of a result near zero.
struct Sigmoid {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V operator()(D d, V x) const {
    const V power = exp_of_negative(d, hn::Neg(hn::Abs(x)));
    const V one = hn::Set(d, hn::TFromD<D>{1});
    return divide_by_one_plus(d, hn::IfThenElse(hn::Lt(x, hn::Zero(d)), power, one), power);
  }
};

// Applies function(d, vector) in place.
template <class Function, typename T>
HWY_INLINE void transform_with(const Function& function, T* y, std::size_t count) {
  constexpr hn::ScalableTag<T> d;
  constexpr std::size_t lanes = hn::MaxLanes(d);
  for (std::size_t i = 0; i < count; i += lanes) {
    const std::size_t n = std::min(lanes, count - i);
    store_lanes(d, function(d, load_lanes(d, y + i, n)), y + i, n);
  }
}

template <class Function, typename T>
void transform(T* y, std::size_t count) noexcept {
  transform_with(Function(), y, count);
}

// The total a row is divided by, added up so that its own error stays below the last place of T.
template <typename T>
class Divisor;

// Adds and divides in double.
template <>
class Divisor<float> {
  using V = InDouble::V;

 public:
  HWY_INLINE Divisor() : total_(hn::Zero(InDouble::kWide)) {}
  HWY_INLINE void add(V v) {
    total_ = hn::Add(total_, hn::Add(InDouble::lower(v), InDouble::upper(v)));
  }
  HWY_INLINE void finish() {
    const auto total = hn::SumOfLanes(InDouble::kWide, total_);
    total_ = hn::Div(hn::Set(InDouble::kWide, 1.0), total);
  }
  HWY_INLINE V divide(V v) const {
    return InDouble::rounded(hn::Mul(InDouble::lower(v), total_),
                             hn::Mul(InDouble::upper(v), total_));
  }

 private:
  InDouble::Wide total_;  // after finish(), its reciprocal
};

// Keeps what each addition rounds away: Knuth's TwoSum (The Art of Computer Programming, 4.2.2).
template <>
class Divisor<double> {
  using V = hn::Vec<hn::ScalableTag<double>>;

 public:
  HWY_INLINE Divisor() : total_(hn::Zero(d_)), lost_(hn::Zero(d_)) {}
  HWY_INLINE void add(V v) {
    const V total = hn::Add(total_, v);
    const V added = hn::Sub(total, total_);
    const V kept = hn::Sub(total, added);
    lost_ = hn::Add(lost_, hn::Add(hn::Sub(total_, kept), hn::Sub(v, added)));
    total_ = total;
  }
  HWY_INLINE void finish() { total_ = hn::SumOfLanes(d_, hn::Add(total_, lost_)); }
  HWY_INLINE V divide(V v) const { return hn::Div(v, total_); }

 private:
  static constexpr hn::ScalableTag<double> d_{};
  V total_;
  V lost_;
};

template <typename T>
HWY_INLINE hn::Vec<hn::ScalableTag<T>> row_maximum(const T* y, std::size_t columns) {
  constexpr hn::ScalableTag<T> d;
  constexpr std::size_t lanes = hn::MaxLanes(d);
  const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  auto maximum = lowest;
  for (std::size_t c = 0; c < columns; c += lanes) {
    const std::size_t n = std::min(lanes, columns - c);
    const auto v = hn::IfThenElse(hn::FirstN(d, n), load_lanes(d, y + c, n), lowest);
    maximum = hn::Max(maximum, v);
  }
  return hn::MaxOfLanes(d, maximum);
}

// exp(x - maximum) with what rounding leaves out of the difference (TwoSum again): for scores of
// size 100 that is worth 30 units in the last place of the result.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_of_difference(D d, V x, V maximum) {
  const V difference = hn::Sub(x, maximum);
  const V subtracted = hn::Sub(difference, x);
  const V kept = hn::Sub(difference, subtracted);
  const V lost = hn::Sub(hn::Sub(x, kept), hn::Add(maximum, subtracted));
  return exp_of_sum(d, difference, lost);
}

template <typename T>
HWY_INLINE void softmax_row(T* y, std::size_t columns) {
  constexpr hn::ScalableTag<T> d;
  constexpr std::size_t lanes = hn::MaxLanes(d);
  const auto maximum = row_maximum(y, columns);
  Divisor<T> total;
  for (std::size_t c = 0; c < columns; c += lanes) {
    const std::size_t n = std::min(lanes, columns - c);
    const auto power = exp_of_difference(d, load_lanes(d, y + c, n), maximum);
    total.add(hn::IfThenElseZero(hn::FirstN(d, n), power));
    store_lanes(d, power, y + c, n);
  }
  total.finish();
  for (std::size_t c = 0; c < columns; c += lanes) {
    const std::size_t n = std::min(lanes, columns - c);
    store_lanes(d, total.divide(load_lanes(d, y + c, n)), y + c, n);
  }
}

template <typename T>
void softmax(T* y, std::size_t rows, std::size_t columns) noexcept {
  for (std::size_t r = 0; r < rows; ++r) softmax_row(y + r * columns, columns);
}

}  // namespace thriftscore::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // THRIFTSCORE_KERNELS_ACTIVATION_INL_H_
