"""One event as the dispatcher carries it: its plan, what became of each action, and when to try again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from drivers.contract import Backoff
from monitor.dispatch.journal import Loaded
from monitor.store.events import EventRow
from monitor.store.limiting import LIMITER
from rules.curtailment import (
    Event,
    Life,
    Reading,
    Track,
    Wish,
    choose,
    held_back,
    is_past,
    wish_for,
)
from rules.shedding import Action

TRIES = 3
"""So often an action is tried that the device did not answer; then it is skipped."""

_APART = Track()


@dataclass(slots=True)
class Run:
    """An event that is open, or of which something is not handed back.

    Attributes
    ----------
    tracks : by action; what is not there was never touched.
    chosen : ids of the actions that take part.
    past : places of the guards that hold actions back.
    busy : actions that are being written or read now, and whether they are being handed back.
    unanswered : actions with a write of which nobody knows whether it was, or will be, carried out.
    tries, rest_until_s, backoff : of each action that did not go well; the clock is the monotonic one.
    told : codes of releases that failed and were told already, by action.
    """

    row: EventRow
    tracks: dict[str, Track]
    chosen: frozenset[str]
    past: set[int] = field(default_factory=set)
    busy: dict[str, bool] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    rest_until_s: dict[str, float] = field(default_factory=dict)
    backoff: dict[str, Backoff] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, loaded: Loaded) -> "Run":
        """From the store's rows."""
        run = cls(loaded.row, dict(loaded.tracks), frozenset(), set(loaded.past))
        run.take_turns(loaded.last_shed_ms)
        run.unanswered = {a for a, track in run.tracks.items() if track.is_shed and track.standing is None}
        return run

    def take_turns(self, last_shed_ms: Mapping[str, int]) -> None:
        """Choose the actions that take part: whose turn it is may change until the event begins.

        What this event shed already takes part in it, whatever the turn would be now.
        """
        own = {action for action, track in self.tracks.items() if track.shed_ms is not None}
        # The limiter decides anew what it sheds.
        limits = self.row.source == LIMITER
        turn = () if limits else choose(self.row.plan.actions, self.row.wanted_kw, last_shed_ms)
        self.chosen = frozenset(turn) | own

    def take(self, loaded: Loaded) -> bool:
        """Go on by what stands in the store now; whether it begins or ends at another time."""
        before, self.row = self.row, loaded.row
        if self.row.wanted_kw != before.wanted_kw:
            # Also of what is shed: what is no longer wanted is handed back.
            turn = choose(self.row.plan.actions, self.row.wanted_kw, loaded.last_shed_ms)
            self.chosen = frozenset(turn)
        return (self.row.start_ms, self.row.end_ms) != (before.start_ms, before.end_ms)

    @property
    def id(self) -> str:
        """Of the event."""
        return self.row.id

    def track(self, action: str) -> Track:
        """What became of an action so far."""
        return self.tracks.get(action, _APART)

    @property
    def event(self) -> Event:
        """As the rules see it."""
        row = self.row
        return Event(row.plan, row.life, row.start_ms, row.end_ms, self.chosen, row.signal, row.ended_ms)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done."""
        closed = self.row.life not in (Life.DRAFT, Life.SCHEDULED, Life.NOTIFIED, Life.ACTIVE)
        return closed and not self.busy and not any(track.is_shed for track in self.tracks.values())

    def look_at_guards(
        self, readings: Mapping[tuple[str, str], Reading], now_ms: int, since_ms: int
    ) -> list[tuple[int, bool]]:
        """Guards that changed their mind: place, and whether it holds back now."""
        changed = []
        for place, guard in enumerate(self.row.plan.guards):
            was = place in self.past
            # What passes its limit before an event may come back before it, whatever holds within.
            latched = was and (guard.back_at is not None or self.row.life is Life.ACTIVE)
            now = is_past(guard, readings.get((guard.device, guard.point)), now_ms, since_ms, latched)
            if now != was:
                changed.append((place, now))
                (self.past.add if now else self.past.discard)(place)
        return changed

    def wishes(
        self, now_ms: int, now_s: float, *, ends: bool = False, at_once: bool = False
    ) -> list[tuple[Action, Wish]]:
        """What is to be written now: at most one action sheds at a time, in the plan's order.

        Parameters
        ----------
        ends : hand everything back, whatever else holds.
        at_once : nobody will be there to hand it back later.
        """
        event, held = self.event, held_back(self.row.plan, self.past)
        if ends:
            event = replace(event, life=Life.ABORTED)
        found: list[tuple[Action, Wish]] = []
        sheds = not all(self.busy.values())
        for action in self.row.plan.actions:
            if action.id in self.busy or now_s < self.rest_until_s.get(action.id, 0.0):
                continue
            wish = wish_for(event, action, self.track(action.id), now_ms, held, at_once=at_once)
            if wish is None or (not wish.is_release and sheds):
                continue
            sheds = sheds or not wish.is_release
            found.append((action, wish))
        return found

    def went_well(self, action: str) -> None:
        """Forget what did not go well before."""
        for book in (self.tries, self.rest_until_s, self.backoff, self.told):
            book.pop(action, None)

    def failed_again(self, action: str, now_s: float, random: float) -> int:
        """Let an action rest; returns how often it failed in a row."""
        self.tries[action] = self.tries.get(action, 0) + 1
        backoff = self.backoff.setdefault(action, Backoff(first_s=1.0, cap_s=30.0))
        self.rests(action, now_s + backoff.failed(random))
        return self.tries[action]

    def rests(self, action: str, until_s: float) -> None:
        """Let an action rest until then at least."""
        self.rest_until_s[action] = max(until_s, self.rest_until_s.get(action, until_s))

    def hurry(self) -> None:
        """Try everything at once: it is the last chance, or the device is there again."""
        self.rest_until_s.clear()
        self.backoff.clear()

    def becomes(self, life: Life, now_ms: int) -> None:
        """The event goes on in its life."""
        ended_ms = now_ms if life in (Life.ENDED, Life.ABORTED, Life.CANCELLED) else self.row.ended_ms
        self.row = replace(self.row, life=life, ended_ms=ended_ms)
