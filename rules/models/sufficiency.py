"""Whether there is enough to fit a model on. Too little is an answer with reasons, never an error and
never a number.

References
----------
.. [1] CalTRACK 2.0 methods, section 2: 365 baseline days, at most 37 of them missing.
"""

from dataclasses import dataclass

import numpy as np

from rules.models.findings import ModelFinding, refusal, remark
from rules.models.fitted import Step
from rules.models.observations import BaselineSeries

DAY_S = 86400


@dataclass(frozen=True, slots=True)
class SufficiencyRules:
    """How much is enough.

    Attributes
    ----------
    baseline_days : length of the base period. [d]
    missing_days : so many of them may be masked. [d]
    """

    baseline_days: int = 365
    missing_days: int = 37


CALTRACK_2 = SufficiencyRules()


def baseline_findings(
    series: BaselineSeries, step: Step, rules: SufficiencyRules = CALTRACK_2
) -> tuple[ModelFinding, ...]:
    """Judge a base period, masked rows and rows that are not there at all included.

    Parameters
    ----------
    series : as it came, NaN for what is missing.
    """
    if not len(series):
        return (refusal("baseline_empty", needed_days=rules.baseline_days),)
    counts = series.masked
    absent = series.absent(step.seconds)
    span_rows = len(series) + absent
    days = span_rows * step.seconds // DAY_S
    missing_rows = span_rows - counts.counted
    missing_days = missing_rows * step.seconds / DAY_S
    found = []
    if days < rules.baseline_days:
        found.append(refusal("baseline_too_short", days=days, needed_days=rules.baseline_days))
    if missing_days > rules.missing_days:
        found.append(
            refusal(
                "baseline_too_much_missing",
                missing_days=round(missing_days, 1),
                allowed_days=rules.missing_days,
                absent=absent,
                no_use=counts.no_use,
                no_weather=counts.no_weather,
                no_calendar=counts.no_cell,
            )
        )
    elif missing_rows:
        found.append(
            remark(
                "baseline_masked",
                rows=missing_rows,
                of=span_rows,
                absent=absent,
                no_use=counts.no_use,
                no_weather=counts.no_weather,
                no_calendar=counts.no_cell,
            )
        )
    return (*found, *_sense(series))


def _sense(series: BaselineSeries) -> list[ModelFinding]:
    known = series.known
    use, t = series.use[known], series.conditions.temperature[known]
    if not len(use):
        return []
    found = []
    if float(np.ptp(use)) == 0:
        found.append(remark("use_never_varies", use=float(use[0])))
    if float(np.ptp(t)) == 0:
        found.append(remark("temperature_never_varies", temperature=float(t[0])))
    negative = int((use < 0).sum())
    if negative:
        found.append(remark("use_negative", rows=negative, least=float(use.min())))
    return found
