"""How far a saving can be trusted. The variant is part of the answer: they differ, and each has its
source.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite, nan, sqrt

from rules.models.fit_quality import FitQuality
from rules.models.fitted import FittedModel, Step
from rules.models.observations import Conditions
from rules.models.students_t import t_value

DAYS_A_MONTH = 365.25 / 12
CONFIDENCE = 0.90


class Variant(StrEnum):
    """Which formula made a band.

    PROJECTION is the regression's own variance of a sum: the error of the coefficients under the reporting
    period's conditions and the noise of so many observations, both widened by (1 + rho)/(1 - rho).
    CALTRACK is section 4.3.2.4: t A CV sqrt((n/n')(1 + 2/n')/m) / F with t of n - p degrees of freedom.
    EFFECTIVE is ASHRAE Guideline 14's with n' - p degrees of freedom throughout, as nmecr has it.
    """

    PROJECTION = "projection"
    CALTRACK = "caltrack-4.3.2.4"
    EFFECTIVE = "ashrae-14-effective"


@dataclass(frozen=True, slots=True)
class Band:
    """A saving lies within +- ``half_width`` of what was found, with so much confidence.

    Attributes
    ----------
    half_width : NaN where it cannot be told. [use]
    fraction : of the saving: the fractional savings uncertainty; NaN without a saving.
    t, effective_n, lag1 : what went into it.
    """

    variant: Variant
    confidence: float
    half_width: float
    fraction: float
    t: float
    effective_n: float
    lag1: float


def months(observations: int, step: Step) -> float:
    """Length of so many observations. [months]"""
    return observations * step.seconds / 86400 / DAYS_A_MONTH


def annex_factor(step: Step, reporting_months: float) -> float:
    """A of the formula, which stands for the error of the coefficients.

    References
    ----------
    .. [1] Hourly 1.26: ASHRAE Guideline 14-2014, annex B. Daily: Sun and Baltazar (2013), as in CalTRACK
       4.3.2.4.
    """
    if step is Step.HOUR:
        return 1.26
    return -0.00024 * reporting_months**2 + 0.03535 * reporting_months + 1.00286


def billing_annex_factor(reporting_months: float) -> float:
    """A for models of bills.

    References
    ----------
    .. [1] CalTRACK 4.3.2.4.
    """
    return -0.00022 * reporting_months**2 + 0.03306 * reporting_months + 0.94054


def caltrack_share(quality: FitQuality, m: int, factor: float, confidence: float = CONFIDENCE) -> float:
    """Half width as a share of the adjusted baseline; divided by F it is the fractional savings uncertainty.

    Parameters
    ----------
    m : reporting observations.
    factor : A.
    """
    n, effective = quality.n, quality.effective_n
    root = sqrt(n / effective * (1.0 + 2.0 / effective) / m)
    return t_value(confidence, quality.freedom) * factor * quality.cv_rmse * root


def effective_share(quality: FitQuality, m: int, factor: float, confidence: float = CONFIDENCE) -> float:
    """The same with n' - p degrees of freedom in t and in the residual variance; NaN where none are left."""
    effective = quality.effective_n
    freedom = effective - quality.parameters
    if not freedom > 0:
        return nan
    variance = quality.squared_error / freedom
    root = sqrt(variance * (1.0 + 2.0 / effective) * m)
    return t_value(confidence, freedom) * factor * root / (m * quality.mean)


def savings_band(
    model: FittedModel,
    counted: Conditions,
    expected: float,
    avoided: float,
    variant: Variant = Variant.PROJECTION,
    confidence: float = CONFIDENCE,
) -> Band:
    """Make the band of an avoided energy.

    Parameters
    ----------
    counted : conditions of the rows that both sums hold.
    expected, avoided : what the model expects of them, and how much less was used. [use]
    """
    quality, m = model.quality, len(counted)
    if quality.freedom < 1 or not m:
        return Band(variant, confidence, nan, nan, nan, nan, quality.lag1)
    t = t_value(confidence, quality.freedom)
    if variant is Variant.PROJECTION:
        half = t * quality.rmse * sqrt(quality.widening * (model.leverage(counted) + m))
        effective = quality.n / quality.widening
    else:
        factor = annex_factor(model.step, months(m, model.step))
        share = {Variant.CALTRACK: caltrack_share, Variant.EFFECTIVE: effective_share}[variant]
        half, effective = share(quality, m, factor, confidence) * abs(expected), quality.effective_n
        if variant is Variant.EFFECTIVE:
            t = t_value(confidence, effective - quality.parameters) if isfinite(half) else nan
    return Band(
        variant, confidence, half, half / abs(avoided) if avoided else nan, t, effective, quality.lag1
    )


def projected_variance(model: FittedModel, conditions: Conditions) -> float:
    """Variance of a modelled sum in which nothing is measured: the error of the coefficients alone.
    [use^2]
    """
    return model.quality.widening * model.quality.rmse**2 * model.leverage(conditions)
