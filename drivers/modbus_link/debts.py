"""What a line's units still owe an answer for, because RTU frames do not say which question they answer.

A unit answers in the order in which it was asked, once a question at most. So the answer that came too late
can pass for the next one's only until the unit has answered something that nobody asked before: a question
of another function, or for another count. That is a proof that everything earlier is over.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from drivers.modbus_link.question import Question, question
from drivers.modbus_profile import Table

OVER_AFTER_S = 30.0
"""Neither a device nor a gateway before it answers later than this after the last question."""

_OTHER = {Table.HOLDING: Table.INPUT, Table.INPUT: Table.HOLDING}
_TABLES = {3: Table.HOLDING, 4: Table.INPUT}
_LESS = (2, 4, 1, 6, 3, 8, 10, 5, 7, 9)  # registers; even first: half a 32-bit value is refused by some


@dataclass(slots=True)
class _Unit:
    """What one unit owes.

    Attributes
    ----------
    owed : oldest first; what is being asked right now is the last.
    asked_s : when it was asked last. spoke : whether it said anything since it began to owe.
    """

    owed: list[Question] = field(default_factory=list)
    asked_s: float = 0.0
    spoke: bool = False


class Debts:
    """Questions without an answer. They outlive a connection: a late answer comes over the next one too."""

    def __init__(self) -> None:
        self._units: dict[int, _Unit] = {}

    def asked(self, one: Question, now_s: float) -> None:
        """A question goes out."""
        unit = self._units.setdefault(one.unit, _Unit())
        unit.spoke = unit.spoke and bool(unit.owed)
        unit.owed.append(one)
        unit.asked_s = now_s

    def answered(self, one: Question) -> None:
        """The unit's last question is answered for sure: nothing older comes any more."""
        self._units[one.unit].owed.clear()

    def heard(self, unit: int, function: int, size: int | None) -> Question | None:
        """A frame that answers nothing that is being asked: which question it is late for, None where none.

        Parameters
        ----------
        size : bytes of registers; None for an exception, which may be the oldest one's of its function.
        """
        asked = self._units.get(unit, _Unit())
        asked.spoke = True
        for at, one in enumerate(asked.owed):
            if one.function == function and size in (None, one.size):
                del asked.owed[: at + 1]
                return one
        return None

    def doubts(self, one: Question, now_s: float) -> bool:
        """Whether what comes in answer could be an earlier question's: its data, or its exception."""
        unit = self._units.get(one.unit)
        if unit is None or not unit.owed:
            return False
        if now_s - unit.asked_s >= OVER_AFTER_S:
            unit.owed.clear()
        return any(other.function == one.function for other in unit.owed)

    def may_be_refused_late(self, one: Question) -> bool:
        """Whether an exception that comes while ``one`` is being asked could be an earlier question's."""
        return any(other.function == one.function for other in self._units[one.unit].owed[:-1])

    def proofs(self, one: Question) -> Iterator[Question]:
        """Questions for registers of ``one`` whose data cannot be mistaken for anything that is owed."""
        for proof in _alternatives(one):
            if all((o.function, o.size) != (proof.function, proof.size) for o in self._units[one.unit].owed):
                yield proof

    def spoke(self, one: Question) -> bool:
        """Whether the unit said anything since it began to owe, be it a refusal."""
        return self._units[one.unit].spoke

    def over_in_s(self, one: Question, now_s: float) -> float:
        """How long until nothing can come any more, where the unit is not asked."""
        return max(OVER_AFTER_S - (now_s - self._units[one.unit].asked_s), 0.0)


def _alternatives(one: Question) -> Iterator[Question]:
    """Fewer registers of the same block, in turn with the other table, whose exceptions are its own too."""
    table, count = _TABLES[one.function], one.size // 2
    fewer = [count - less for less in _LESS if count > less]
    for at in range(len(fewer) + 1):
        if at < len(fewer):
            yield question(one.where, one.unit, table, one.start, fewer[at])
        yield question(one.where, one.unit, _OTHER[table], one.start, [count, *fewer][at])
