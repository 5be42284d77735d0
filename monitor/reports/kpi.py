"""Targets and key figures of a period, made from the store alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from config.emissions_file import Factor, factor_on
from config.site import COMMODITY_UNITS, Commodity, CommoditySettings, Site, TargetSettings
from monitor.store.known_days import days_used, known_days
from monitor.store.reader import StoreReader
from rules.calendar import ReportingPeriod, reporting_period
from rules.daily import ComparedDays, DailyUse, base_of_unknown
from rules.kpi import (
    DAYS_A_BLOCK,
    Forecast,
    Pace,
    counted_area_m2,
    even_forecast,
    forecast,
    share_of,
)
from rules.savings import ONE_DAY, printed_figures

UNKNOWN_SETTINGS = CommoditySettings(base_year=1990)


@dataclass(frozen=True, slots=True)
class KpiNote:
    """What must be said of a figure; ``code`` under ``kpi.note_``."""

    code: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TargetState:
    """A target and how far it is.

    Attributes
    ----------
    so_far : of the days up to ``through``; None where nothing is known.
    coverage : share of these days that is answered for; None where one of them is not known.
    share : of the target, 0 to 1 and more.
    parts : the half-years of a yearly target, each with what is known of it.
    forecast : to the period's end; None when it is over, or nothing can be said.
    """

    target: TargetSettings
    period: ReportingPeriod
    through: date | None
    so_far: Fraction | None
    coverage: float | None
    share: Fraction | None
    parts: tuple[tuple[ReportingPeriod, Fraction | None], ...]
    forecast: Forecast | None
    method: str
    notes: tuple[KpiNote, ...]

    @property
    def is_over(self) -> bool:
        """Whether no day is left."""
        return self.through == self.period.end

    @property
    def is_met(self) -> bool | None:
        """Whether it is met; None while it is open, or where days that are not known may turn it."""
        if self.share is None:
            return None
        whole = self.coverage if self.is_over else None
        if self.target.sense == "at_least":
            return True if self.share >= 1 else (False if whole and self.share < whole else None)
        return False if self.share > 1 else (True if whole and self.share <= whole else None)


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One figure; ``value`` is None where something that it needs is not known."""

    name: str
    value: Decimal | None
    unit: str
    notes: tuple[KpiNote, ...]
    data: Mapping[str, Any] = field(default_factory=dict)


def target_states(
    reader: StoreReader, site: Site, wanted: ReportingPeriod | None, today: date
) -> list[TargetState]:
    """The site's targets; with a period, those whose own period shares days with it."""
    states = []
    for target in site.targets:
        period = reporting_period(target.period)
        if wanted is None or (period.start <= wanted.end and wanted.start <= period.end):
            states.append(_state(reader, site, target, period, today))
    return states


def _state(
    reader: StoreReader, site: Site, target: TargetSettings, period: ReportingPeriod, today: date
) -> TargetState:
    if period.start >= today:
        return TargetState(target, period, None, None, None, None, (), None, "", (KpiNote("not_begun"),))
    passed = period.through(today - ONE_DAY)
    use = _use(reader, site, target.commodity, passed)
    so_far = sum(use.quantity, Fraction(0)) if use.coverage else None
    notes = _coverage_notes(use)
    found, method = None, ""
    if so_far is not None and passed.end < period.end:
        found, method = _forecast(reader, site, target, period, passed)
        if found is None:
            notes.append(KpiNote("no_forecast"))
        elif found.half_width is None:
            notes.append(KpiNote("no_band", {"blocks": found.blocks}))
        unknown = int((~use.known).sum())
        if found is not None and unknown:
            notes.append(KpiNote("filled", {"days": unknown}))
    share = None if so_far is None else share_of(so_far, target.quantity)
    parts = tuple(_part(reader, site, target, half, today) for half in _halves(period))
    coverage = use.coverage if use.known.all() else None
    state = TargetState(
        target, period, passed.end, so_far, coverage, share, parts, found, method, tuple(notes)
    )
    if share is None or not state.is_over or state.is_met is not None:
        return state
    return replace(state, notes=(*state.notes, KpiNote("open")))


def _halves(period: ReportingPeriod) -> list[ReportingPeriod]:
    whole_year = period.id.isdigit()
    return [reporting_period(f"{period.id}H{half}") for half in (1, 2)] if whole_year else []


def _part(
    reader: StoreReader, site: Site, target: TargetSettings, half: ReportingPeriod, today: date
) -> tuple[ReportingPeriod, Fraction | None]:
    if half.start >= today:
        return half, None
    use = _use(reader, site, target.commodity, half.through(today - ONE_DAY))
    return half, sum(use.quantity, Fraction(0)) if use.coverage else None


def _use(
    reader: StoreReader,
    site: Site,
    commodity: Commodity,
    period: ReportingPeriod,
    *,
    whole_days: bool = False,
) -> DailyUse:
    settings = site.commodities.get(commodity, UNKNOWN_SETTINGS)
    zone, days = ZoneInfo(site.site.timezone), (period.start, period.end)
    return days_used(reader, commodity, settings.meters, days, zone, whole_days=whole_days)


def _coverage_notes(use: DailyUse) -> list[KpiNote]:
    if use.coverage >= 1.0:
        return []
    percent = printed_figures(Fraction(int(use.coverage * 10_000), 100))[0]
    return [KpiNote("coverage" if use.coverage else "nothing", {"percent": percent})]


def _forecast(
    reader: StoreReader, site: Site, target: TargetSettings, period: ReportingPeriod, passed: ReportingPeriod
) -> tuple[Forecast | None, str]:
    """By the base year's days where it knows enough of them; else the days go on like those so far.

    Days so far that are not known are told like those that are left: the end holds no hole.
    """
    left = (passed.end + ONE_DAY, period.end)
    zone, settings = ZoneInfo(site.site.timezone), site.commodities.get(target.commodity)
    use = _use(reader, site, target.commodity, passed, whole_days=True)
    known = [float(q) for q, k in zip(use.quantity, use.known.tolist(), strict=True) if k]
    so_far, days_left = sum(known), (left[1] - left[0]).days + 1 + len(use) - len(known)
    if settings is not None:
        actual, base, compared = known_days(reader, target.commodity, settings, passed, zone)
        twin = ReportingPeriod(f"{left[0]}/{left[1]}", *left).baseline(settings.base_year)
        days = twin.start, twin.end
        rest = days_used(reader, target.commodity, settings.meters, days, zone, whole_days=True)
        unknown = base_of_unknown(actual, base, settings.base_year)
        if compared.pairs and rest.known.all() and unknown is not None:
            reference_left = float(sum(rest.quantity, unknown))
            paces = _paces(compared, spread=bool(actual.spread or base.spread))
            found = forecast(so_far, paces, reference_left, days_left / DAYS_A_BLOCK)
            if found is not None:
                return found, "base_year"
    blocks = [] if use.spread else _blocks(known)
    return even_forecast(so_far, len(known), days_left, blocks), "mean_day"


def _paces(compared: ComparedDays, *, spread: bool) -> list[Pace]:
    """Whole weeks of compared days; one block where bills are shared out by days: these have no scatter."""
    actual, base = _blocks(list(map(float, compared.actual))), _blocks(list(map(float, compared.base)))
    if spread or not actual:
        return [Pace(float(sum(compared.actual)), float(sum(compared.base)))]
    return [Pace(a, b) for a, b in zip(actual, base, strict=True)]


def _blocks(days: list[float]) -> list[float]:
    whole = len(days) // DAYS_A_BLOCK * DAYS_A_BLOCK
    return [sum(days[at : at + DAYS_A_BLOCK]) for at in range(0, whole, DAYS_A_BLOCK)]


# -- key figures --------------------------------------------------------------------------------------


def key_figures(reader: StoreReader, site: Site, period: ReportingPeriod) -> list[KeyFigure]:
    """EUI, water a head, and carbon by commodity, of a period whose days are over."""
    figures = []
    if Commodity.ELECTRICITY in site.commodities:
        figures.append(_eui(reader, site, period))
    if Commodity.WATER in site.commodities:
        figures.append(_water_a_head(reader, site, period))
    return figures + [
        _carbon(reader, site, commodity, period)
        for commodity in (Commodity.ELECTRICITY, Commodity.VEHICLE_FUEL)
        if commodity in site.commodities
    ]


def _eui(reader: StoreReader, site: Site, period: ReportingPeriod) -> KeyFigure:
    use = _use(reader, site, Commodity.ELECTRICITY, period)
    notes, building = _coverage_notes(use), site.building
    if building.floor_area_m2 is None:
        return KeyFigure("eui", None, "kWh/m²", (KpiNote("no_area"), *notes))
    area = counted_area_m2(
        building.floor_area_m2, building.parking_area_m2, with_parking=building.with_parking
    )
    total = sum(use.quantity, Fraction(0))
    value = printed_figures(total / Fraction(repr(area)))[0] if use.coverage and area > 0 else None
    notes.append(KpiNote("area_with" if building.with_parking else "area_without", {"area": f"{area:,.10g}"}))
    return KeyFigure("eui", value, "kWh/m²", tuple(notes), {"area_m2": area})


def _water_a_head(reader: StoreReader, site: Site, period: ReportingPeriod) -> KeyFigure:
    use = _use(reader, site, Commodity.WATER, period)
    notes = _coverage_notes(use)
    heads = [_people_on(site, day) for day in use.days]
    if any(count is None for count in heads) or not heads:
        return KeyFigure("water_a_head", None, "L", (KpiNote("no_people"), *notes))
    # People of days that nobody answers for drank nothing that is known.
    shares = map(Fraction, use.answered.tolist())
    people_days = sum(
        (count * share for count, share in zip(heads, shares, strict=True) if count), Fraction(0)
    )
    litres = sum(use.quantity, Fraction(0)) * 1000
    value = printed_figures(litres / people_days)[0] if people_days else None
    data = {"people_days": round(float(people_days), 3)}
    return KeyFigure("water_a_head", value, "L", tuple(notes), data)


def _people_on(site: Site, day: date) -> int | None:
    valid = [one for one in site.building.people if one.start <= day]
    return max(valid, key=lambda one: one.start).count if valid else None


def _carbon(reader: StoreReader, site: Site, commodity: Commodity, period: ReportingPeriod) -> KeyFigure:
    use = _use(reader, site, commodity, period)
    notes, name, total = _coverage_notes(use), f"carbon_{commodity.value}", Fraction(0)
    used: dict[Factor, list[date]] = {}
    for day, quantity in zip(use.days, use.quantity, strict=True):
        factor = factor_on(site, commodity, day)
        if factor is None:
            gap = {"day": day.isoformat(), "unit": COMMODITY_UNITS[commodity]}
            return KeyFigure(name, None, "t CO2e", (KpiNote("no_factor", gap), *notes))
        total += quantity * Fraction(repr(factor.kg_co2e))
        used.setdefault(factor, []).append(day)
    for factor, days in used.items():
        span = {"first": days[0].isoformat(), "last": days[-1].isoformat()}
        said = {"factor": f"{factor.kg_co2e:g}", "unit": COMMODITY_UNITS[commodity], "source": factor.source}
        notes.append(KpiNote(f"factor_{factor.grade.lower()}", span | said))
    value = printed_figures(total / 1000)[0] if use.coverage else None
    return KeyFigure(name, value, "t CO2e", tuple(notes))
