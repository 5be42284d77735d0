"""What happens to a daemon: drawn at random from a seed, and told in words that can be read."""

import random
from dataclasses import dataclass
from typing import Any

SERVERS = ("influx", "victoria", "city", "broker")
MOODS = ("refuse", "stall", "cut")
TEARS = ("none", "cut", "zeros", "noise", "again")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens; ``data`` is named in ``draw``."""

    what: str
    data: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return " ".join(
            [self.what, *(f"{one:g}" if isinstance(one, float) else str(one) for one in self.data)]
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """A meter, and what happens while it is read."""

    seed: int
    begins_s: int
    register_kwh: float
    rolls_over_at: float | None
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        rolls = "" if self.rolls_over_at is None else f", rolls over at {self.rolls_over_at:g}"
        head = f"seed {self.seed}: register {self.register_kwh:g} kWh{rolls}"
        return "\n".join([head, *(f"  {number:2d}  {step}" for number, step in enumerate(self.steps))])


def draw(seed: int, stories: int = 12) -> Schedule:
    """Draw a schedule: readings all the time, and between them faults that come and go."""
    dice = random.Random(seed)
    steps: list[Step] = [_readings(dice)]
    for _ in range(stories):
        steps += dice.choices(_STORIES, _WEIGHTS)[0](dice)
        steps.append(_readings(dice))
    rolls = dice.random() < 0.3
    if rolls:
        # A rollover is counted within the meter's power (docs/meters.md). Where readings died while the clock
        # was set back it looks faster than that and is refused: an oracle of energy has no say there.
        steps = [step for step in steps if step.what != "clock"]
    return Schedule(
        seed=seed,
        begins_s=1_795_510_800 + dice.randrange(86_400),
        register_kwh=999_000.0 + dice.uniform(0, 990) if rolls else dice.uniform(0, 5e6),
        rolls_over_at=1e6 if rolls else None,
        steps=tuple(steps),
    )


def _readings(dice: random.Random, waits: str | None = None) -> Step:
    """Readings: how many, seconds between them, kW, whether they are waited for until they are safe."""
    every_s = dice.choice((5, 10, 20, 60, 85, 300))
    said = dice.choice(("safe", "safe", "hasty"))
    return Step("read", (dice.randint(2, 30), every_s, dice.uniform(0, 6000), waits or said))


def _down_s(dice: random.Random) -> int:
    return dice.choice((1, 5, 30, 200, 1800))


def _kill(dice: random.Random) -> list[Step]:
    """Kill -9: after so many ms of reading, what becomes of the log's tail, seconds down."""
    after_ms = dice.choice((0, 1, 2, 4, 8, 16, 32))
    return [
        _readings(dice),
        _readings(dice, "hasty"),
        Step("kill", (after_ms, dice.choice(TEARS), _down_s(dice))),
    ]


def _twice(dice: random.Random) -> list[Step]:
    """Killed before it was ready."""
    return [*_kill(dice), Step("kill at start", (dice.choice((0, 5, 20, 60)), dice.choice(TEARS), 1))]


def _restart(dice: random.Random) -> list[Step]:
    return [Step("end", (_down_s(dice),))]


def _server(dice: random.Random) -> list[Step]:
    name, how = dice.choice(SERVERS), dice.choice(("kill server", "kill server", "stop server"))
    between = [_readings(dice)] if dice.random() < 0.7 else _kill(dice)
    return [_readings(dice), Step(how, (name,)), *between, Step("start server", (name,))]


def _network(dice: random.Random) -> list[Step]:
    name, mood = dice.choice(SERVERS), dice.choice(MOODS)
    between = [_readings(dice)] if dice.random() < 0.7 else _kill(dice)
    return [Step("network", (name, mood)), *between, Step("network", (name, "through"))]


def _disk(dice: random.Random) -> list[Step]:
    """The disk is full but for so many pages, and they are soon used up."""
    between = [Step("read", (dice.randint(60, 200), dice.choice((20, 60)), dice.uniform(0, 6000), "hasty"))]
    if dice.random() < 0.3:
        between += _clock(dice)
    if dice.random() < 0.3:
        between += _kill(dice)
    return [Step("disk full", (dice.choice((0, 0, 1, 3)),)), *between, Step("disk empty")]


def _clock(dice: random.Random) -> list[Step]:
    """The clock is set by so many seconds from the truth, and perhaps put right again."""
    by_s = dice.choice((-7200, -3600, -3600, -600, -30, 30, 45, 600, 3600, 9000, 100_000, "1970"))
    steps = [Step("clock", (by_s,)), *(_readings(dice) for _ in range(dice.randint(1, 2)))]
    if dice.random() < 0.3:
        steps += _kill(dice)
    return steps if by_s != "1970" and dice.random() < 0.5 else [*steps, Step("clock", (0,))]


def _zero(_: random.Random) -> list[Step]:
    return [Step("spurious zero")]


_STORIES = (_kill, _twice, _restart, _server, _network, _disk, _clock, _zero)
_WEIGHTS = (4, 1, 1, 3, 3, 2, 3, 1)
