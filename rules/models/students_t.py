"""Student's t without a statistics library; degrees of freedom need not be whole."""

from functools import lru_cache
from math import exp, inf, lgamma, log
from statistics import NormalDist

LARGE = 200.0
"""From so many degrees of freedom on the expansion is good to a part in 10^9."""
TINY = 1e-300
STEPS = 300


@lru_cache(maxsize=4096)
def t_value(confidence: float, freedom: float) -> float:
    """Half width of the two-sided interval in standard errors.

    Parameters
    ----------
    confidence : 0 to 1, exclusive.
    freedom : degrees of freedom, above 0; autocorrelation makes them broken numbers.

    Raises
    ------
    ValueError : outside these.

    References
    ----------
    .. [1] Abramowitz and Stegun (1964), Handbook of Mathematical Functions, 26.5.8 and 26.7.1 (the
       integral), 26.7.5 (the expansion).

    Examples
    --------
    >>> round(t_value(0.90, 10), 4)
    1.8125
    """
    if not 0.0 < confidence < 1.0 or not freedom > 0.0:
        raise ValueError(f"no t for confidence {confidence} with {freedom} degrees of freedom")
    if freedom >= LARGE:
        return _expanded(NormalDist().inv_cdf((1.0 + confidence) / 2.0), freedom)
    low, high = 0.0, 1.0
    while within(high, freedom) < confidence and high < 1e12:
        high *= 2.0
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if within(middle, freedom) < confidence else (low, middle)
    return (low + high) / 2.0


def within(t: float, freedom: float) -> float:
    """Probability that |T| is below t.

    Examples
    --------
    >>> round(within(1.8124611228, 10), 6)
    0.9
    """
    if t == inf:
        return 1.0
    x, a, b = freedom / (freedom + t * t), freedom / 2.0, 0.5
    if t == 0.0:
        return 0.0
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1.0 - x))
    if x < (a + 1.0) / (a + b + 2.0):
        return 1.0 - front * _fraction(x, a, b) / a
    return front * _fraction(1.0 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """Continued fraction of the incomplete beta function, by the method of Lentz."""
    c, d = 1.0, _safe(1.0 - (a + b) * x / (a + 1.0))
    d = 1.0 / d
    value, change, m = d, 0.0, 0
    while abs(change - 1.0) >= 1e-15 and m < STEPS:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / _safe(1.0 + term * d)
            c = _safe(1.0 + term / c)
            value *= c * d
        change = c * d
    return value


def _safe(number: float) -> float:
    return number if abs(number) > TINY else TINY


def _expanded(x: float, freedom: float) -> float:
    terms = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return float(x + sum(term / freedom ** (power + 1) for power, term in enumerate(terms)))
