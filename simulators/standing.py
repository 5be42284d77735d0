"""Which faults hold now: those of the script, and those that were set while the world runs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from simulators.faults import EVERY_DEVICE, Disobeying, Fault, FaultScript, ValueFault, WireFault, WriteFault

ENDLESS_S = float("inf")


@dataclass(slots=True)
class Standing:
    """One fault in the world: [start_s, end_s) in the world's seconds, and how often it has struck.

    ``number`` : by which it is cleared.
    """

    number: int
    fault: Fault
    start_s: float
    end_s: float
    met: int = 0
    struck: int = 0

    def holds(self, now_s: float) -> bool:
        """Whether it may strike now."""
        spent = self.fault.times is not None and self.struck >= self.fault.times
        return self.start_s <= now_s < self.end_s and not spent

    def strikes(self, now_s: float) -> bool:
        """Whether it strikes the question, reading or message that is met now; counts it."""
        if not self.holds(now_s):
            return False
        self.met += 1
        beyond = self.met - 1 - self.fault.spared
        if beyond < 0 or beyond % self.fault.every:
            return False
        self.struck += 1
        return True


@dataclass(slots=True)
class DeviceFaults:
    """The faults of one device; the lists are the device's own and change while the world runs.

    ``asked`` : questions that reached the device, or messages that it published.
    """

    seed: str
    wire: list[Standing] = field(default_factory=list)
    write: list[Standing] = field(default_factory=list)
    value: list[Standing] = field(default_factory=list)
    message: list[Standing] = field(default_factory=list)
    asked: int = 0

    def of(self, fault: Fault) -> list[Standing]:
        """The list that a fault belongs to."""
        if isinstance(fault, WireFault):
            return self.wire
        if isinstance(fault, WriteFault):
            return self.write
        return self.value if isinstance(fault, ValueFault) else self.message

    @property
    def lists(self) -> tuple[list[Standing], ...]:
        """All of them."""
        return self.wire, self.write, self.value, self.message

    @property
    def any(self) -> bool:
        """Whether there is any fault, now or later."""
        return bool(self.wire or self.write or self.value or self.message)

    def wire_fault(self, now_s: float, concerns: Callable[[Fault], bool]) -> Standing | None:
        """The wire fault that strikes the question asked now: the one that was set last."""
        for standing in reversed(self.wire):
            if concerns(standing.fault) and standing.strikes(now_s):
                return standing
        return None

    def disobeys(self, now_s: float) -> Disobeying | None:
        """What the device does instead of the write that it is told now: the fault that was set last."""
        for standing in reversed(self.write):
            if isinstance(standing.fault, Disobeying) and standing.strikes(now_s):
                return standing.fault
        return None


class FaultBook:
    """All faults of a world.

    Parameters
    ----------
    devices : ids of the devices there are.
    begin_s : the world's time at its start, from which ``from_s`` counts.
    """

    def __init__(self, devices: Iterable[str], begin_s: float, seed: int = 0) -> None:
        self._devices = {device: DeviceFaults(f"{seed}/{device}") for device in devices}
        self._begin_s = begin_s
        self._next = 1

    def of(self, device: str) -> DeviceFaults:
        """A device's faults: one object that stays. KeyError when there is no such device."""
        return self._devices[device]

    def take(self, script: FaultScript) -> None:
        """Add every fault of a script."""
        for fault in script.faults:
            self.add(fault)

    def add(self, fault: Fault, begin_s: float | None = None) -> int:
        """Add one fault; returns its number.

        Parameters
        ----------
        begin_s : from when its ``from_s`` counts; the world's start when left out.
        """
        begin_s = self._begin_s if begin_s is None else begin_s
        start_s = begin_s + fault.from_s if fault.at is None else fault.at.timestamp()
        end_s = ENDLESS_S
        if fault.until is not None:
            end_s = fault.until.timestamp()
        elif fault.for_s is not None:
            end_s = start_s + fault.for_s
        number, self._next = self._next, self._next + 1
        wanted = self._devices if fault.device == EVERY_DEVICE else (fault.device,)
        for device in wanted:
            faults = self._devices[device]
            faults.of(fault).append(Standing(number, fault, start_s, end_s))
        return number

    def clear(self, number: int | None = None, device: str | None = None) -> int:
        """Take away the faults with a number, of a device, or all; returns how many."""
        cleared = 0
        for name, faults in self._devices.items():
            if device is not None and name != device:
                continue
            for standings in faults.lists:
                kept = [s for s in standings if number is not None and s.number != number]
                cleared += len(standings) - len(kept)
                standings[:] = kept
        return cleared

    def told(self, now_s: float) -> list[dict[str, object]]:
        """Every fault with its number, whether it holds, and how often it met and struck something."""
        return [
            {
                "number": standing.number,
                "device": device,
                "kind": standing.fault.kind,
                "holds": standing.holds(now_s),
                "met": standing.met,
                "struck": standing.struck,
            }
            for device, faults in self._devices.items()
            for standings in faults.lists
            for standing in standings
        ]

    def asked(self) -> dict[str, int]:
        """Questions or messages by device so far, of those that ever had a fault."""
        return {device: faults.asked for device, faults in self._devices.items() if faults.asked}
