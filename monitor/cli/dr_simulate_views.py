"""A simulated year of the demand limiter as people read it."""

from typing import Any

from config.words import say


def shown(facts: dict[str, Any], language: str) -> str:
    """The figures as text."""

    def line(key: str, **data: Any) -> str:
        return say(f"limiter.{key}", language, **data)

    low, high = (f"{one:,.0f}" for one in facts["limit_kw"])
    limit = low if low == high else f"{low}-{high}"
    lines = [
        line("sim_title", plan=facts["plan"], year=facts["year"], limit=limit),
        line(f"sim_source_{facts['source']}", known=f"{100 * facts['known']:.1f}"),
        line(
            "sim_peak",
            before=_kw(facts["peak_before_kw"]),
            after=_kw(facts["peak_after_kw"]),
            saved=_kw(facts["saved_kw"]),
        ),
        line("sim_over", **facts["over_limit"]),
    ]
    if facts["comfort_k"] is None:
        lines.append(line("sim_no_rooms"))
    else:
        figures = {"minutes": f"{facts['discomfort_min']:,.0f}", "warmest": f"{facts['warmest_k']:.1f}"}
        lines.append(line("sim_comfort", warmer=f"{facts['comfort_k']:g}", **figures))
        energy = {"shed": f"{facts['shed_kwh']:,.0f}", "rebound": f"{facts['rebound_kwh']:,.0f}"}
        lines.append(line("sim_energy", **energy))
    if facts["dead_man_struck"]:
        lines.append(line("sim_dead_man", count=facts["dead_man_struck"]))
    lines += ["", line("sim_months")]
    lines += [
        line(
            "sim_month", month=f"{one['month']:2d}", before=_kw(one["before_kw"]), after=_kw(one["after_kw"])
        )
        for one in facts["months"]
    ]
    lines += ["", line("sim_actions")]
    lines += [
        line(
            "sim_action",
            action=one["action"],
            kw=f"{one['expected_kw']:g}",
            starts=one["starts"],
            most=one["most_starts_a_day"],
            hours=f"{one['shed_h']:,.1f}",
            writes=one["most_writes_a_day"],
            budget=one["writes_per_day"],
        )
        for one in facts["actions"]
    ]
    return "\n".join(lines) + "\n"


def _kw(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
