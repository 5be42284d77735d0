"""How the event's own day moves a baseline."""

from dataclasses import dataclass

from rules.baseline.method import Adjustment, AdjustmentKind
from rules.models.findings import ModelFinding, refusal, remark


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What an adjustment did.

    Attributes
    ----------
    kind : additive or multiplicative.
    event_day_kw, days_kw : mean of the adjustment's hours on the event's day, and over the days; the first
        is None where it is not known. [kW]
    amount : kW that were added, or the ratio, after its limits; None where there is none.
    unlimited : the same before its limits.
    kw : the baseline then; None where there is none. [kW]
    findings : why there is none, or that a limit held.
    """

    kind: AdjustmentKind
    event_day_kw: float | None
    days_kw: float
    amount: float | None
    unlimited: float | None
    kw: float | None
    findings: tuple[ModelFinding, ...] = ()


def adjust(rule: Adjustment, kw: float, event_day_kw: float | None, days_kw: float) -> Adjusted:
    """Move a baseline by what the hours of the event's day say.

    Parameters
    ----------
    kw : the baseline before. [kW]
    event_day_kw, days_kw : means of the hours. [kW]

    Examples
    --------
    >>> from rules.baseline.method import Anchor, Span
    >>> rule = Adjustment(AdjustmentKind.MULTIPLICATIVE, Span(Anchor.START, -4, -1), low=0.8, high=1.2)
    >>> round(adjust(rule, 1010, 955.5, 909.5).kw, 3)
    1061.083
    """
    if event_day_kw is None:
        finding = refusal("event_day_incomplete")
        return Adjusted(rule.kind, None, days_kw, None, None, None, (finding,))
    if rule.kind is AdjustmentKind.MULTIPLICATIVE:
        if days_kw <= 0:
            finding = refusal("no_ratio", days_kw=days_kw)
            return Adjusted(rule.kind, event_day_kw, days_kw, None, None, None, (finding,))
        unlimited, neutral = event_day_kw / days_kw, 1.0
    else:
        unlimited, neutral = event_day_kw - days_kw, 0.0
    amount = max(unlimited, neutral) if rule.upward_only else unlimited
    amount = amount if rule.low is None else max(amount, rule.low)
    amount = amount if rule.high is None else min(amount, rule.high)
    moved = kw * amount if rule.kind is AdjustmentKind.MULTIPLICATIVE else kw + amount
    limited = (remark("adjustment_limited", unlimited=unlimited, amount=amount),)
    return Adjusted(
        rule.kind, event_day_kw, days_kw, amount, unlimited, moved, limited if amount != unlimited else ()
    )
