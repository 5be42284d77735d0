"""Our own line protocol: every field a float, every timestamp in milliseconds, every tag a stable id.

One line is one row of the store. A number is the shortest text that reads back to the same float64; NaN
and infinities have no place in the protocol and are left out; a row without any number gives no line.
"""

import re
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from pydantic_core import to_json

from config.site import Commodity
from monitor.sinks.contract import UnsendableError
from monitor.store.changed import ChangedInterval, ChangedResult
from rules.quantities import QUANTITIES
from rules.scan import Layout, Scan

# A backslash needs no escape, says the protocol, and then its readers disagree about one before a comma.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]")
_IN_MEASUREMENT = str.maketrans({",": r"\,", " ": r"\ "})
_IN_KEY_OR_TAG = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})

# family of a device -> measurement, and the tag that names the device in the words of its trade
_FAMILIES = {
    "electricity": ("energy", "meter"),
    "water": ("water", "meter"),
    "chilled_water": ("chilled_water", "meter"),
    "heat": ("heat", "meter"),
    "pulse": ("pulse", "meter"),
    "drive": ("drive", "drive"),
    "chiller": ("chiller", "chiller"),
    "weather": ("environment", "zone"),
}

_ENERGY_FIELDS = ("kwh", "kw_avg", "kw_max", None)
_VOLUME_FIELDS = ("m3", "avg_flow_m3h", "max_flow_m3h", "min_flow_m3h")
# commodity -> measurement, and the fields of quantity, average, maximum and minimum rate
INTERVALS: dict[Commodity | None, tuple[str, tuple[str, str, str, str | None]]] = {
    Commodity.ELECTRICITY: ("energy_interval", _ENERGY_FIELDS),
    Commodity.CHILLED_WATER: ("chilled_water_interval", _ENERGY_FIELDS),
    Commodity.WATER: ("water_interval", _VOLUME_FIELDS),
    Commodity.RAINWATER: ("rainwater_interval", _VOLUME_FIELDS),
    Commodity.VEHICLE_FUEL: ("vehicle_fuel_interval", ("l", "l_h_avg", "l_h_max", None)),
    # A meter that has left the site file: its rows are sent, but their unit is no longer known.
    None: ("meter_interval", ("quantity", "rate_avg", "rate_max", "rate_min")),
}


def line(measurement: str, tags: Mapping[str, str], fields: Iterable[tuple[str, Any]], at_ms: int) -> bytes:
    """One line, or nothing when no field holds a finite number.

    Parameters
    ----------
    tags : by key; an empty value is left out, for the protocol has none.
    fields : names and values; what is no finite number is left out, True is 1.0.
    at_ms : milliseconds since 1970-01-01 UTC.

    Raises
    ------
    UnsendableError : a name with a control character, a backslash or nothing in it.
    """
    numbers = _fields(fields)
    return f"{_series(measurement, tags)} {numbers} {at_ms}".encode() if numbers else b""


def _series(measurement: str, tags: Mapping[str, str]) -> str:
    if measurement.startswith("#"):
        raise UnsendableError(f"measurement {measurement!r} would be read as a comment")
    names = [_sendable(measurement).translate(_IN_MEASUREMENT)]
    names += [f"{_escaped(key)}={_escaped(value)}" for key, value in sorted(tags.items()) if value]
    return ",".join(names)


def _fields(fields: Iterable[tuple[str, Any]]) -> str:
    pairs = ((name, _number(value)) for name, value in fields)
    return ",".join(f"{_escaped(name)}={value!r}" for name, value in pairs if value is not None)


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def _escaped(name: str) -> str:
    return _sendable(name).translate(_IN_KEY_OR_TAG)


def _sendable(name: str) -> str:
    if not name:
        raise UnsendableError("an empty name")
    if _FORBIDDEN.search(name):
        raise UnsendableError(f"{name!r} holds a control character or a backslash")
    return name


class ScanLine:
    """The line of the scans of one layout: all that does not change is written once, beforehand."""

    def __init__(self, site: str, layout: Layout) -> None:
        measurement, tag = _FAMILIES.get(layout.family, (layout.family, "device"))
        tags = {"site": site, "building": site, tag: layout.device}
        self._series = _series(measurement, tags).encode()
        self._keys = [f"{_escaped(_field(point.name))}=".encode() for point in layout.points]
        fields = b",".join(key.replace(b"%", b"%%") + b"%b" for key in self._keys)
        self._complete = self._series.replace(b"%", b"%%") + b" " + fields + b",quality=%d.0 %d"

    def render(self, scan: Scan) -> bytes:
        """The line of a scan, empty when it holds no finite value.

        ``quality`` is the worst of the scan.
        """
        values = scan.values.tolist()
        # The JSON writer's shortest text of a float64 is the same number as repr's, six times as fast.
        texts = to_json(values)[1:-1].split(b",")
        worst = max(scan.quality.tobytes(), default=0)
        # One NaN or infinity makes the sum so, and a sum that overflows only takes the longer way.
        if values and isfinite(sum(values)):
            return self._complete % (*texts, worst, scan.at_ms)
        rows = zip(self._keys, texts, values, strict=False)
        fields = b",".join(key + text for key, text, value in rows if isfinite(value))
        return b"%b %b,quality=%d.0 %d" % (self._series, fields, worst, scan.at_ms) if fields else b""


def _field(name: str) -> str:
    quantity = QUANTITIES.get(name)
    # A layout stays in the store longer than a word may stay in the catalogue.
    return quantity.field if quantity else name


def interval_line(site: str, commodity: Commodity | None, row: ChangedInterval) -> bytes:
    """The line of a closed interval, at its START; ``commodity`` is None for a meter nobody knows now."""
    measurement, (quantity, average, maximum, minimum) = INTERVALS[commodity]
    figures = [(quantity, row.quantity), (average, row.rate_avg), (maximum, row.rate_max)]
    if minimum is not None:
        figures.append((minimum, row.rate_min))
    if not any(_number(value) is not None for _, value in figures):
        return b""
    if row.rev:
        # A server keeps a field that is left out: a peak of the revision before would stand for good.
        figures = [(name, 0.0 if value is None else value) for name, value in figures]
    about = [("coverage", row.coverage), ("quality", row.quality), ("rev", row.rev)]
    tags = {"site": site, "building": site, "meter": row.meter}
    return line(measurement, tags, [*figures, *about], row.start_s * 1000)


def result_line(site: str, row: ChangedResult) -> bytes:
    """The line of what a rule found: its numbers, and ``rev``; texts stay in the store."""
    figures = [(name, value) for name, value in row.data.items() if _number(value) is not None]
    if not figures:
        return b""
    if "rev" not in row.data:
        figures.append(("rev", row.rev))
    tags = {"site": site, "building": site, "subject": row.subject}
    return line(row.kind, tags, figures, row.at_s * 1000)
