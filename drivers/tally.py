"""Counting what a driver sees of one device, cheaply."""

from dataclasses import dataclass, field, fields

from drivers.contract import Counts


@dataclass(slots=True)
class Tally:
    """Counts that are still going on: ``Counts`` says what each is."""

    polls: int = 0
    retries: int = 0
    missed: int = 0
    messages: int = 0
    readings: int = 0
    silent: int = 0
    late: int = 0
    foreign: int = 0
    bad: int = 0
    refused: int = 0
    duplicates: int = 0
    stale: int = 0
    gaps: int = 0
    restarts: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def unreadable(self, reason: str) -> None:
        """Count a payload that could not be read, by the code of the reason."""
        self.bad += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    def counts(self, dials: int) -> Counts:
        """As they stand now.

        Parameters
        ----------
        dials : connections that were made on the device's line.
        """
        figures = {name: getattr(self, name) for name in _FIGURES}
        return Counts(**figures, dials=dials, reasons=dict(self.reasons))


_FIGURES = tuple(one.name for one in fields(Tally) if one.name != "reasons")
