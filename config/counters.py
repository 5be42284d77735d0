"""From what a site file says about a meter to what the rules need of its counter."""

from config.site import MeterSettings
from rules.counters import CounterLimits
from rules.factors import Factors


def counter_limits(settings: MeterSettings, rolls_over_at: float | None) -> CounterLimits:
    """What is possible for a meter's counter; ``rolls_over_at`` is its point's."""
    changes = tuple((round(change.at.timestamp() * 1000), change.factor) for change in settings.changes)
    return CounterLimits(settings.max_rate or 0.0, rolls_over_at, Factors(settings.factor, changes))
