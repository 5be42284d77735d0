"""What was not used: the base period's model under the reporting period's conditions, against the meter."""

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np

from rules.models.findings import ModelFinding, refusal, refused, remark
from rules.models.fitted import FittedModel
from rules.models.observations import Conditions, Floats, Masked, ReportingSeries, masked
from rules.models.students_t import t_value
from rules.models.uncertainty import CONFIDENCE, Band, Variant, projected_variance, savings_band
from rules.models.weather import WRONG_UNIT_SHARE

MASKED_SHARE = 0.10
"""Above this share of masked rows the sums are told to be those of part of a period."""


@dataclass(frozen=True, slots=True)
class AvoidedEnergy:
    """The avoided energy of a reporting period, over the rows that are known.

    Attributes
    ----------
    observed, expected, avoided : sums over the counted rows; avoided = expected - observed, positive = saved;
        NaN where a finding refuses. [use]
    band : of ``avoided``; None where a finding refuses.
    masked : rows that no sum holds, by reason.
    findings : what must be said along.
    expected_rows : (n,) by row, NaN where masked. [use]
    """

    observed: float
    expected: float
    avoided: float
    band: Band | None
    masked: Masked
    findings: tuple[ModelFinding, ...]
    expected_rows: Floats

    @property
    def share(self) -> float:
        """F: avoided by expected; NaN without either."""
        return self.avoided / self.expected if self.expected else nan


def avoided_energy(
    model: FittedModel,
    reporting: ReportingSeries,
    variant: Variant = Variant.PROJECTION,
    confidence: float = CONFIDENCE,
) -> AvoidedEnergy:
    """Hold a period against what its base period would have used.

    Parameters
    ----------
    reporting : a row for each day or hour of the whole period, NaN for what is missing: rows that are left
    out at
        its ends cannot be counted.

    References
    ----------
    .. [1] EVO 10000-1:2022, IPMVP Core Concepts, Option C, avoided energy.
    """
    expected = model.predicted(reporting.conditions)
    counts = masked(reporting.use, reporting.conditions, model.seen(reporting.conditions))
    rows = np.isfinite(expected) & reporting.known
    expected = np.where(rows, expected, np.nan)
    counted = reporting.conditions.taken(rows)
    findings = _findings(model, counts, counted, reporting.absent(model.step.seconds))
    if refused(findings):
        return AvoidedEnergy(nan, nan, nan, None, counts, findings, expected)
    observed_sum, expected_sum = float(reporting.use[rows].sum()), float(expected[rows].sum())
    avoided = expected_sum - observed_sum
    band = savings_band(model, counted, expected_sum, avoided, variant, confidence)
    return AvoidedEnergy(observed_sum, expected_sum, avoided, band, counts, findings, expected)


def _findings(
    model: FittedModel, counts: Masked, counted: Conditions, absent: int
) -> tuple[ModelFinding, ...]:
    if not counts.counted:
        return (refusal("reporting_nothing_known", rows=counts.rows),)
    found = []
    if absent:
        found.append(remark("reporting_rows_absent", absent=absent, rows=counts.rows))
    if counts.total:
        code = "reporting_masked" if counts.total <= MASKED_SHARE * counts.rows else "reporting_mostly_part"
        found.append(
            remark(
                code,
                masked=counts.total,
                rows=counts.rows,
                no_use=counts.no_use,
                no_weather=counts.no_weather,
                no_calendar=counts.no_cell,
                unseen=counts.unseen,
            )
        )
    if far := far_from_base(model, counted):
        return (*found, far)
    beyond = model.extrapolated(counted)
    if beyond:
        found.append(
            remark(
                "reporting_extrapolated",
                rows=beyond,
                counted=counts.counted,
                coldest=model.coldest,
                warmest=model.warmest,
            )
        )
    return tuple(found)


def far_from_base(model: FittedModel, conditions: Conditions) -> ModelFinding | None:
    """Find temperatures that no year of the same place has: Fahrenheit of a cool day passes for a hot one.

    Returns
    -------
    None also for models that ask for no weather.
    """
    known = int(np.isfinite(conditions.temperature).sum())
    far = model.extrapolated(conditions, model.far)
    if not model.basis.width or far <= WRONG_UNIT_SHARE * known:
        return None
    facts = {"coldest": model.coldest, "warmest": model.warmest}
    return refusal("temperature_far_from_base", rows=far, known=known, **facts)


@dataclass(frozen=True, slots=True)
class NormalisedSavings:
    """Savings under normal weather: one model against another, nothing of it measured.

    Attributes
    ----------
    base, reporting : modelled use under the same conditions. [use]
    half_width : of the difference, uncertainties in quadrature. [use]
    rows, skipped : conditions that were summed, and those that either model cannot tell.
    """

    base: float
    reporting: float
    half_width: float
    confidence: float
    rows: int
    skipped: int

    @property
    def saved(self) -> float:
        """Positive = saved. [use]"""
        return self.base - self.reporting


def normalised_savings(
    base: FittedModel, reporting: FittedModel, normal: Conditions, confidence: float = CONFIDENCE
) -> NormalisedSavings:
    """Compare two models under normal weather.

    References
    ----------
    .. [1] EVO 10000-1:2022, IPMVP Core Concepts, normalised savings.
    """
    before, after = base.predicted(normal), reporting.predicted(normal)
    rows = np.isfinite(before) & np.isfinite(after)
    summed = normal.taken(rows)
    freedom = min(base.quality.freedom, reporting.quality.freedom)
    variance = projected_variance(base, summed) + projected_variance(reporting, summed)
    half = t_value(confidence, freedom) * sqrt(variance) if freedom > 0 else nan
    skipped = len(normal) - len(summed)
    return NormalisedSavings(
        float(before[rows].sum()), float(after[rows].sum()), half, confidence, len(summed), skipped
    )
