"""MQTT acknowledgements: after the commit, once each, in order of arrival, on their own connection only."""

from collections import deque
from collections.abc import Callable


class Receipt:
    """One delivery by the broker, owed an acknowledgement once all that it carried is safe."""

    __slots__ = ("connection", "holds", "mid")

    def __init__(self, connection: int, mid: int) -> None:
        self.connection = connection
        self.mid = mid
        self.holds = 1


class Receipts:
    """The deliveries that are not acknowledged yet.

    MQTT wants acknowledgements in the order in which the deliveries came [1]_, so one that is done waits
    for those before it. After a reconnect the broker sends again what was not acknowledged: what was
    owed on the old connection is void.

    Parameters
    ----------
    acknowledge : called with connection and message id.

    References
    ----------
    .. [1] MQTT 3.1.1 and 5, normative statement MQTT-4.6.0-2.
    """

    def __init__(self, acknowledge: Callable[[int, int], None]) -> None:
        self._acknowledge = acknowledge
        self._owed: deque[Receipt] = deque()

    def __len__(self) -> int:
        return len(self._owed)

    def arrived(self, connection: int, mid: int) -> Receipt:
        """Note a delivery, held once by whoever handles it."""
        if self._owed and self._owed[-1].connection != connection:
            self._owed.clear()
        receipt = Receipt(connection, mid)
        self._owed.append(receipt)
        return receipt

    def release(self, receipt: Receipt) -> None:
        """One hold less; acknowledges all that is done at the head of the queue."""
        receipt.holds -= 1
        while self._owed and self._owed[0].holds <= 0:
            done = self._owed.popleft()
            self._acknowledge(done.connection, done.mid)


class Pending:
    """A scan on its way to the disk and the deliveries that wait for it; calling it tells that it is safe.

    Parameters
    ----------
    is_owed : whether it will be called. Nobody does for a scan that came without a delivery to acknowledge.

    Attributes
    ----------
    number : of the bus's message that brought it last.
    """

    __slots__ = ("_receipts", "_safe", "_waiting", "is_owed", "number")

    def __init__(self, receipts: Receipts, *, is_owed: bool) -> None:
        self.is_owed = is_owed
        self.number = 0
        self._receipts = receipts
        self._waiting: tuple[Receipt, ...] = ()
        self._safe = False

    def wait_for(self, receipt: Receipt) -> None:
        """Let a delivery (the first, or the same sent again) wait for this scan's commit."""
        if not self._safe:
            receipt.holds += 1
            self._waiting = (*self._waiting, receipt)

    def __call__(self) -> None:
        """The scan is safe on disk. Called on the event loop; a second call does nothing."""
        self._safe = True
        waiting, self._waiting = self._waiting, ()
        for receipt in waiting:
            self._receipts.release(receipt)
