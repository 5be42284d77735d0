"""What an MQTT device with faults publishes instead of its messages."""

import random
from collections.abc import Callable, Mapping

from simulators.faults import Disordered, Duplicate, Fault, Garbage, Retained, Silent
from simulators.mqtt_publisher import Message, Publishes
from simulators.standing import DeviceFaults, Standing

_KINDS = (Silent, Garbage, Duplicate, Retained, Disordered)


class FaultyPublisher:
    """A device's messages with its faults in them; without any they are the device's own.

    Parameters
    ----------
    right : the device.
    twin : makes another one like it, which tells what it would have said long ago: some conventions say
        only what has changed since, and must not be led astray.
    """

    def __init__(self, right: Publishes, twin: Callable[[], Publishes], faults: DeviceFaults) -> None:
        self._right = right
        self._twin = twin
        self._faults = faults

    def messages(self, at_s: float) -> list[Message]:
        """What is published now, in order."""
        messages = self._right.messages(at_s)
        if not self._faults.any:
            return messages
        self._faults.asked += 1
        for standing in (*self._faults.wire, *self._faults.message):
            if isinstance(standing.fault, _KINDS) and standing.strikes(at_s):
                messages = self._changed(standing, messages, at_s)
        return messages

    @property
    def command_topics(self) -> Mapping[str, str]:
        """Where it takes commands, and the point that each is about."""
        return self._right.command_topics

    def obey(self, topic: str, payload: bytes) -> bool:
        """Take a command; the device knows its faults of that kind itself."""
        return self._right.obey(topic, payload)

    def _changed(self, standing: Standing, messages: list[Message], at_s: float) -> list[Message]:
        fault: Fault = standing.fault
        if isinstance(fault, Duplicate):
            return [message for message in messages for _ in range(2)]
        if isinstance(fault, Disordered):
            return messages + self._twin().messages(at_s - fault.age_s)
        if isinstance(fault, Retained):
            older = messages if not fault.age_s else self._twin().messages(at_s - fault.age_s)
            return [message._replace(retain=True) for message in older]
        if isinstance(fault, Garbage):
            dice = random.Random(f"{self._faults.seed}/{standing.number}/{standing.struck}")  # noqa: S311
            return [message._replace(payload=dice.randbytes(fault.bytes)) for message in messages]
        return []
