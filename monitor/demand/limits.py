"""What a site may draw in a demand window: the contract of the period that the window is in."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from config.loading import LoadedSite
from rules.local_time import DAY_S, to_local
from rules.tariff.parts import CannotBillError, parts_of
from rules.tariff.periods import Period
from rules.tariff.usage import classify

EPOCH = date(1970, 1, 1)


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

    def of_windows(self, start_s: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n,) the contract of each window's period [kW]; NaN for a site without a contract.

        Parameters
        ----------
        start_s : (n,) rising, seconds since 1970 UTC.
        """
        limits = np.full(len(start_s), np.nan)
        if self._contract is None:
            return limits
        day = to_local(start_s, self._zone) // DAY_S
        for one in np.unique(day).tolist():
            here = day == one
            limits[here] = self._of_day(EPOCH + timedelta(days=one), start_s[here])
        return limits

    def _of_day(self, day: date, start_s: NDArray[np.int64]) -> NDArray[np.float64]:
        assert self._contract is not None  # noqa: S101  asked before
        regular_kw = np.full(len(start_s), self._contract.on(day).capacity_kw)
        if self._supply is None:
            return regular_kw
        try:
            (part,) = parts_of(self._supply, day, day)
            period = classify([part], start_s, self._zone).period
        except CannotBillError:
            return regular_kw  # never more than was surely agreed
        if part.contract is None:
            return regular_kw
        contract = part.contract.value
        return np.array([float(contract.allowed_kw(Period(int(one)))) for one in period])

    def _look(self, start_s: int) -> float | None:
        limit_kw = float(self.of_windows(np.array([start_s], dtype=np.int64))[0])
        return None if np.isnan(limit_kw) else limit_kw
