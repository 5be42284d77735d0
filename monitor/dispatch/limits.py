"""What a plan bears of an event: its power, and its end."""

from monitor.store.database import StoreError
from rules.curtailment import Plan


def check_power(plan: Plan, wanted_kw: float | None) -> None:
    """That a plan can give what is wanted; None is all of it. Raises ``StoreError``."""
    whole_kw = sum(action.expected_kw for action in plan.actions)
    if wanted_kw is not None and not 0 < wanted_kw <= whole_kw:
        raise StoreError("dispatch.not_enough", wanted=f"{wanted_kw:g}", expected=f"{whole_kw:g}")


def check_end(plan: Plan, start_ms: int, end_ms: int, now_ms: int) -> None:
    """That an end lies ahead, and not beyond what the plan hands back in any case. Raises ``StoreError``."""
    if end_ms <= max(start_ms, now_ms):
        raise StoreError("dispatch.ends_before_start")
    length_s = (end_ms - start_ms) / 1000
    if length_s > plan.dead_man_s:
        data = {"length": f"{length_s:g}", "dead_man": f"{plan.dead_man_s:g}"}
        raise StoreError("dispatch.longer_than_dead_man", **data)
