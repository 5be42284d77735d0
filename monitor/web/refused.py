"""How many readings of a device's meters were refused or doubted in the last day, for the page."""

from monitor.store.reader import StoreReader
from monitor.web.plan import PointAt, SitePlan

DAY_MS = 86_400_000
LOOK_EVERY_MS = 10_000


class RefusedCounts:
    """Counts by device, asked of the store every few seconds."""

    def __init__(self, plan: SitePlan) -> None:
        self._meters = {
            meter.id: PointAt.of(meter.counter).device for meter in plan.site.meters if meter.formula is None
        }
        self._counts: dict[str, int] = {}
        self._looked_ms: int | None = None

    def look(self, reader: StoreReader, now_ms: int) -> None:
        """Ask again when it is time to."""
        if self._looked_ms is not None and 0 <= now_ms - self._looked_ms < LOOK_EVERY_MS:
            return
        counts: dict[str, int] = {}
        for meter, device in self._meters.items():
            found = sum(reader.past.refusal_counts(meter, now_ms - DAY_MS).values())
            counts[device] = counts.get(device, 0) + found
        self._counts, self._looked_ms = counts, now_ms

    def of(self, device: str) -> int:
        """How many there were, over all meters of a device."""
        return self._counts.get(device, 0)
