"""How patient a delivery is, and how large its batches are while a backlog is drained."""

from dataclasses import dataclass

from drivers.contract import Backoff
from monitor.sinks.contract import Answer, Verdict

MIN_BYTES = 4096  # no server's limit is believed to be smaller
MIN_DRAIN_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient a delivery is; other figures than these are for tests.

    Attributes
    ----------
    gather_s : what comes within it goes into one request.
    poll_s : how long after that the store is asked again when nobody says that something came.
    hold_s : between tries while a person is needed.
    first_s, cap_s : the backoff's first and longest wait.
    retry_after_cap_s : the longest wait that a server may ask for.
    rest_s : the longest pause between batches of a backlog; it lasts as long as the batch took.
    drain_s : a batch of a backlog should take no longer: live rows wait for it.
    sort_s : so long lines at fault are looked for in one batch before what was found is settled.
    """

    gather_s: float = 0.2
    poll_s: float = 0.7
    hold_s: float = 30.0
    first_s: float = 0.5
    cap_s: float = 60.0
    retry_after_cap_s: float = 300.0
    rest_s: float = 1.0
    drain_s: float = 0.5
    sort_s: float = 2.0


def wait_s(answer: Answer, backoff: Backoff, pace: Pace, jitter: float) -> float:
    """How long to leave the server alone after an answer that took nothing.

    What the server itself asks for counts, up to the cap; ``jitter`` in [0, 1) keeps many daemons from
    coming back at once.
    """
    if answer.verdict is Verdict.HOLD:
        return pace.hold_s
    own_s = backoff.failed(jitter)
    if not answer.retry_after_s:
        return own_s
    return min(pace.retry_after_cap_s, answer.retry_after_s * (1.0 + 0.1 * jitter))


class BatchSize:
    """Bytes of a batch: what the server takes, and less in a backlog while it is slow."""

    def __init__(self, most: int, drain_s: float) -> None:
        self.most = most
        self._drain = most
        self._drain_s = drain_s

    def of(self, *, backlog: bool) -> int:
        """How large the next batch may be."""
        return min(self.most, self._drain) if backlog else self.most

    def refused(self, size: int) -> None:
        """A batch of this size was too large."""
        self.most = max(MIN_BYTES, size // 2)

    def drained(self, took_s: float) -> None:
        """A batch of a backlog took so long."""
        if took_s > self._drain_s:
            self._drain = max(MIN_DRAIN_BYTES, min(self.most, self._drain) // 2)
        elif took_s < self._drain_s / 2:
            self._drain = min(self.most, self._drain * 2)
