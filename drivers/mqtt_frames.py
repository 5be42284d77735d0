"""MQTT's frames, as far as speed needs it: messages are taken out at once, all else is left for the library.

A message costs the general library 30 to 60 us, most of it for what a message of ours never has. Here the
fixed header is read, and of a PUBLISH the topic, the id and where the payload lies [1]_.

References
----------
.. [1] MQTT 3.1.1 and 5, sections 2.1 (fixed header), 2.2.2 (properties) and 3.3 (PUBLISH).
"""

from drivers.inbox import Arrival

PUBLISH = 3
_LENGTH_BYTES = 4


class NotMqtt(Exception):
    """Bytes that no broker sends."""


class Frames:
    """Cuts what comes into frames.

    Parameters
    ----------
    connection : the number of the connection, which every message carries.
    is_5 : MQTT 5, where messages have properties.
    max_bytes : of a longer message only so much is kept; the rest is let go as it comes.
    """

    def __init__(self, connection: int, *, is_5: bool, max_bytes: int) -> None:
        self._connection = connection
        self._is_5 = is_5
        self._max_bytes = max_bytes
        self._rest = b""
        self._skip = 0

    def feed(self, data: bytes) -> list[Arrival | bytes]:
        """The messages of QoS 0 and 1 that are whole now, and all other frames as they are, in order.

        Raises
        ------
        NotMqtt
            When the connection can only be given up.
        """
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        if self._rest:
            data = self._rest + data
        found: list[Arrival | bytes] = []
        start, end = 0, len(data)
        while end - start >= 2:
            length, body = data[start + 1], start + 2
            if length > 127:
                length, body = self._long(data, start)
                if not body:
                    break
            stop = body + length
            if length > self._max_bytes:
                kept = body + self._max_bytes
                if kept > end:
                    break
                found.append(self._oversized(data, start, body, kept))
                self._skip = max(0, stop - end)
                start = min(stop, end)
                continue
            if stop > end:
                break
            found.append(self._frame(data, start, body, stop))
            start = stop
        self._rest = data[start:]
        return found

    def _oversized(self, data: bytes, start: int, body: int, kept: int) -> Arrival:
        """The beginning of a message; whoever reads it counts it as too large."""
        frame = self._frame(data, start, body, kept)
        if not isinstance(frame, Arrival):
            raise NotMqtt("a frame without measure")
        return frame

    def _long(self, data: bytes, start: int) -> tuple[int, int]:
        """Length of a frame and where its body begins; 0, 0 where that has not come yet."""
        length = 0
        for at, byte in enumerate(data[start + 1 : start + 1 + _LENGTH_BYTES]):
            length |= (byte & 127) << (7 * at)
            if byte < 128:
                return length, start + 2 + at
        if len(data) - start > _LENGTH_BYTES:
            raise NotMqtt("a length of more than four bytes")
        return 0, 0

    def _frame(self, data: bytes, start: int, body: int, stop: int) -> Arrival | bytes:
        first = data[start]
        qos = first >> 1 & 3
        if first >> 4 != PUBLISH or qos == 2:
            return data[start:stop]
        if qos == 3:
            raise NotMqtt("a message of quality 3")
        topic_end = body + 2 + (data[body] << 8 | data[body + 1]) if stop - body >= 2 else stop + 1
        at, mid = topic_end + 2 * qos, 0
        if at + self._is_5 > stop:
            raise NotMqtt("a message without an end")
        if qos:
            mid = data[topic_end] << 8 | data[topic_end + 1]
        if self._is_5:
            at = at + 1 if not data[at] else _after_properties(data, at, stop)
        try:
            topic = data[body + 2 : topic_end].decode()
        except UnicodeDecodeError:  # no broker may pass this on
            topic = ""
        return Arrival(topic, data[at:stop], qos, mid, bool(first & 1), self._connection)


def _after_properties(data: bytes, at: int, stop: int) -> int:
    """Where the payload begins."""
    length = shift = 0
    while at < stop:
        byte = data[at]
        at += 1
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            if at + length > stop:
                break
            return at + length
        if shift > 21:
            break
    raise NotMqtt("properties without an end")
