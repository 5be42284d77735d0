"""What people should know of devices beyond their condition: doubted meters, and what drivers counted."""

from collections.abc import Callable

from config.loading import LoadedSite
from monitor.findings import DAY_MS, Finding, meter_findings
from monitor.silence import unread, unread_after_ms
from monitor.store.counts import CountsRow
from monitor.store.reader import StoreReader
from monitor.web.plan import PointAt, SitePlan

LOOK_EVERY_MS = 10_000

MS_A_METER = 100
"""With hundreds of meters it is looked less often: nothing here is in a hurry."""


class MeterWatch:
    """What is found about the meters of each device, asked of the store every few seconds.

    Attributes
    ----------
    counts : what the drivers counted, by device.
    """

    def __init__(self, plan: SitePlan, loaded: LoadedSite) -> None:
        self._meters = {
            meter.id: PointAt.of(meter.counter).device for meter in plan.site.meters if meter.formula is None
        }
        placed, interval_s = loaded.placed(), plan.site.interval_s
        self._unread_after_ms = {
            device: unread_after_ms(placed[device], interval_s) for device in set(self._meters.values())
        }
        self._every_ms = max(LOOK_EVERY_MS, MS_A_METER * len(self._meters))
        self._refused: dict[str, int] = {}
        self._findings: dict[str, tuple[Finding, ...]] = {}
        self._looked_ms: int | None = None
        self.counts: dict[str, CountsRow] = {}

    def look(self, reader: StoreReader, now_ms: int, heard_ms: Callable[[str], int | None]) -> None:
        """Ask again when it is time to.

        Parameters
        ----------
        heard_ms : when a device was heard last.
        """
        if self._looked_ms is not None and 0 <= now_ms - self._looked_ms < self._every_ms:
            return
        refused: dict[str, int] = {}
        findings: dict[str, tuple[Finding, ...]] = {}
        since_ms = {row.device: row.since_ms for row in reader.conditions() if row.condition != "offline"}
        for meter, device in self._meters.items():
            counts = reader.past.refusal_counts(meter, now_ms - DAY_MS)
            refused[device] = refused.get(device, 0) + sum(counts.values())
            found = meter_findings(reader.past, meter, now_ms, counts)
            heard = heard_ms(device)
            if not found and device in since_ms and heard is not None:
                last_end_s, after_ms = reader.last_end_s(meter), self._unread_after_ms[device]
                silent = unread(meter, last_end_s, since_ms[device], heard, after_ms)
                found += [] if silent is None else [silent]
            findings[device] = (*findings.get(device, ()), *found)
        self._refused, self._findings, self._looked_ms = refused, findings, now_ms
        self.counts = reader.device_counts()

    def refused(self, device: str) -> int:
        """How many readings of its meters were refused or doubted in the last day."""
        return self._refused.get(device, 0)

    def findings(self, device: str) -> tuple[Finding, ...]:
        """What a person should look at about its meters."""
        return self._findings.get(device, ())
