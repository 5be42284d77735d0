"""What a demand stands on: the meters' rows of its window, with register readings, quality and factor."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from config.loading import LoadedSite
from config.meter_checks import formulas_of
from monitor.store.streams import INTERVAL_COLUMNS, RowStreams, Span
from rules.formulas import over_registers
from rules.quality import Quality


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One meter's interval in a demand window. ``register_start`` and ``_end`` are None for imports."""

    meter: str
    kwh: float
    quality: Quality
    coverage: float
    caught_up: bool
    register_start: float | None
    register_end: float | None
    factor: float
    revision: int


def rows_of_windows(
    loaded: LoadedSite, meters: Sequence[str], starts: Iterable[int], interval_s: int
) -> dict[int, tuple[WindowRow, ...]]:
    """The rows behind some windows, by start: of registers, where a meter is a formula over them."""
    formulas = formulas_of(loaded.site)
    registers = list(dict.fromkeys(part for meter in meters for part in over_registers(formulas, meter)))
    streams = RowStreams.open(loaded.store_path, loaded.site.site.id)
    try:
        return {
            start_s: tuple(
                _row(dict(zip(INTERVAL_COLUMNS, row, strict=True)))
                for block in streams.intervals(Span(start_s, start_s + interval_s), registers)
                for row in block
            )
            for start_s in starts
        }
    finally:
        streams.close()


def _row(row: Mapping[str, object]) -> WindowRow:
    def number(name: str) -> float | None:
        value = row[name]
        return float(value) if isinstance(value, int | float) and value == value else None  # noqa: PLR0124  NaN

    return WindowRow(
        meter=str(row["meter"]),
        kwh=number("quantity") or 0.0,
        quality=Quality(int(number("quality") or 0)),
        coverage=number("coverage") or 0.0,
        caught_up=bool(row["caught_up"]),
        register_start=number("register_start"),
        register_end=number("register_end"),
        factor=number("factor") or 1.0,
        revision=int(number("rev") or 0),
    )
