"""What a site may draw in a demand window: the contract of the period that the window is in."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from config.loading import LoadedSite
from rules.tariff.parts import CannotBillError, parts_of
from rules.tariff.periods import Period
from rules.tariff.usage import classify


class Limits:
    """Answers for one site; asked the same twice in a row, it looks only once."""

    def __init__(self, loaded: LoadedSite) -> None:
        self._contract = loaded.site.contract
        self._supply = loaded.supply
        self._zone = ZoneInfo(loaded.site.site.timezone)
        self._known: tuple[int, float | None] | None = None

    def kw(self, start_s: int) -> float | None:
        """The contract of a window's period [kW]; the regular capacity where nobody knows the period.

        None for a site without a contract.
        """
        if self._known is None or self._known[0] != start_s:
            self._known = (start_s, self._look(start_s))
        return self._known[1]

    def _look(self, start_s: int) -> float | None:
        if self._contract is None:
            return None
        day = datetime.fromtimestamp(start_s, UTC).astimezone(self._zone).date()
        regular_kw = self._contract.on(day).capacity_kw
        if self._supply is None:
            return regular_kw
        try:
            (part,) = parts_of(self._supply, day, day)
            period = Period(int(classify([part], np.array([start_s]), self._zone).period[0]))
        except CannotBillError:
            return regular_kw  # never more than was surely agreed
        return regular_kw if part.contract is None else float(part.contract.value.allowed_kw(period))
