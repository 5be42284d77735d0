"""What the store must hold after the soak."""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from soak_site import MAX_RATE_KW, Plan

from simulators.building import Building

PERIOD_MS = 1000
EDGE_S = 1.0
"""The first and the last second are nobody's: a poll may fall to either side of an edge."""

CLOSED_WITHIN_S = 10.0
"""An interval is closed by a reading after it: one that ends this long before the end may be open."""

STARVED_S = 0.1
"""Who had no processor for so long within two seconds was late for that reason."""

FLAT_SHARE, FLAT_MB = 0.03, 4.0
"""Memory is flat when the line through its last 80 % rises by less than either."""


@dataclass(slots=True)
class Window:
    """What was watched while it ran: seconds since 1970 UTC, shares of one core, (n, 2) seconds and MB.

    ``stalls_ms`` : how much too long a thread slept that did nothing else. ``waits`` : (seconds since 1970,
    seconds in the second before that the daemon, and the simulators, were ready to run and had no processor).
    ``not_online`` : condition of every device that was not online in the end, which came ``recovered_in_s``
    after the watching. ``backlog`` : scans not delivered, and all, when that was waited for and came.
    """

    start_s: float
    end_s: float
    cpu_share: float = 0.0
    far_end_share: float = 0.0
    ended_in_s: float = 0.0
    tolerance_wh: float = 1.0
    recovered_in_s: float = 0.0
    not_online: dict[str, str] = field(default_factory=dict)
    backlog: tuple[int, int] | None = None
    stalls_ms: list[float] = field(default_factory=list)
    waits: list[tuple[float, float, float]] = field(default_factory=list)
    memory: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))


@dataclass(slots=True)
class Judgement:
    """Rows of the table, the promises that were broken, in words, and the polls that were missed."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    missed: int = 0

    def promise(self, what: str, found: str, kept: bool) -> None:
        """A row that must be so."""
        self.rows.append((what, found))
        if not kept:
            self.broken.append(f"{what}: {found}")

    def table(self) -> list[str]:
        """Two columns as Markdown."""
        return ["| what | found |", "| --- | --- |", *(f"| {what} | {found} |" for what, found in self.rows)]


def judge(store: Path, plan: Plan, window: Window, installed_s: float) -> Judgement:
    """Hold a store against what was promised."""
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
        found = Judgement()
        found.rows.append(("devices, points, seconds", _size(plan, window)))
        found.rows.append(("of them misbehave", str(len(plan.bad))))
        _polls(connection, plan, window, found)
        _conditions(plan, window, found)
        _energy(connection, plan, window, installed_s, found)
        _delivered(connection, plan, window, found)
        _machine(window, found)
    connection.close()
    return found


def _size(plan: Plan, window: Window) -> str:
    return f"{plan.devices:,} x {plan.points} x {window.end_s - window.start_s:.0f}"


def _polls(connection: sqlite3.Connection, plan: Plan, window: Window, found: Judgement) -> None:
    first_ms, last_ms = 1000 * (window.start_s + EDGE_S), 1000 * (window.end_s - EDGE_S)
    by_device: dict[str, list[int]] = {device: [] for device in plan.ids}
    rows = connection.execute(
        "SELECT layouts.device, scans.at_ms FROM scans JOIN layouts ON layouts.id = scans.layout_id"
        " WHERE at_ms BETWEEN ? AND ?",
        (first_ms - PERIOD_MS, last_ms + PERIOD_MS),
    )
    for device, at_ms in rows:
        by_device[device].append(at_ms)
    troubled = {plan.gateway(device) for device in plan.bad}
    missed, alone, beside = {}, [], []
    moments: set[int] = set()
    for device in plan.ids:
        if device in plan.bad:
            continue
        gaps_ms, lateness_ms = _schedule(np.array(by_device[device]), first_ms, last_ms)
        if gaps_ms:
            missed[device] = len(gaps_ms)
            moments |= {int(at_ms // PERIOD_MS) for at_ms in gaps_ms}
        (beside if plan.gateway(device) in troubled else alone).append(lateness_ms)
    total = sum(len(rows) for rows in by_device.values())
    worst = ", ".join(f"{device} {count}" for device, count in list(missed.items())[:5])
    found.rows.append(("scans in the store", f"{total:,}"))
    healthy = plan.devices - len(plan.bad)
    found.missed = sum(missed.values())
    found.promise(
        "polls that healthy devices missed",
        f"{found.missed} by {len(missed)} of {healthy}, in {len(moments)} different seconds {worst}".rstrip(),
        not missed,
    )
    found.rows.append(
        ("of these seconds, daemon or simulators had no processor in", _starved(moments, window))
    )
    found.rows.append(("lateness, gateways without trouble", _lateness(alone)))
    found.rows.append(("lateness, beside a misbehaving unit", _lateness(beside)))


def _starved(moments: set[int], window: Window) -> str:
    """In how many of the seconds with a missed poll the machine had no processor for one of the two.

    What the daemon itself is too slow for is no wait: it has the processor then. A missed poll in any other
    second is the daemon's own.
    """
    waits = np.array(window.waits).reshape(-1, 3)
    starved = sum(
        bool(
            (
                waits[(waits[:, 0] >= second - 1) & (waits[:, 0] < second + 3), 1:].sum(axis=0) > STARVED_S
            ).any()
        )
        for second in moments
    )
    return f"{starved} of {len(moments)}"


def _conditions(plan: Plan, window: Window, found: Judgement) -> None:
    """Everybody is online in the end but those that misbehave for ever."""
    gone = window.not_online.keys()
    healthy = sorted(gone - plan.bad)
    lasting = sorted((gone & plan.bad) - plan.incurable)
    told = {device: window.not_online[device] for device in [*healthy, *lasting][:5]}
    found.rows.append(
        ("seconds until everybody was online", f"{window.recovered_in_s:.1f} {told or ''}".rstrip())
    )
    found.promise("healthy devices not online at the end", str(len(healthy)), not healthy)
    scripted = len(plan.bad - plan.incurable)
    found.promise(
        "devices not online though their script has ended", f"{len(lasting)} of {scripted}", not lasting
    )


def _schedule(at_ms: np.ndarray, first_ms: float, last_ms: float) -> tuple[list[float], np.ndarray]:
    """When polls were missed, and how late the others came after the device's own phase. [ms]

    A device is polled at one phase of each second; the earliest hundredth of its readings shows which.
    """
    if len(at_ms) < 2:
        return list(np.arange(first_ms, last_ms, PERIOD_MS)), np.zeros(0)
    at_ms = np.sort(at_ms)
    usual = float(np.median((at_ms - at_ms[0]) % PERIOD_MS))
    around = (at_ms - at_ms[0] - usual + PERIOD_MS / 2) % PERIOD_MS - PERIOD_MS / 2
    phase = at_ms[0] + usual + np.percentile(around, 1)
    # Up to three quarters of a period late is late; beyond it is the next poll, early.
    slots = np.floor((at_ms - phase + PERIOD_MS / 4) / PERIOD_MS)
    lateness_ms = np.maximum(at_ms - phase - slots * PERIOD_MS, 0.0)
    due = np.arange(np.ceil((first_ms - phase) / PERIOD_MS), np.floor((last_ms - phase) / PERIOD_MS))
    gaps = sorted(set(due.tolist()) - set(slots.tolist()))
    return [phase + slot * PERIOD_MS for slot in gaps], lateness_ms


def _lateness(parts: list[np.ndarray]) -> str:
    together = np.concatenate(parts) if parts else np.zeros(0)
    if not len(together):
        return "-"
    p50, p99, worst = np.percentile(together, [50, 99, 100])
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {worst:.0f} ms"


def _energy(
    connection: sqlite3.Connection, plan: Plan, window: Window, installed_s: float, found: Judgement
) -> None:
    """Every healthy meter's intervals together are what its register went on by between their edges."""
    model = Building(installed_s=installed_s)
    rows = connection.execute(
        "SELECT meter, min(start_s), max(start_s + duration_s), sum(quantity), count(*), max(quantity),"
        " min(quantity) FROM intervals WHERE start_s >= ? GROUP BY meter",
        (window.start_s,),
    )
    booked = {row[0]: row[1:] for row in rows}
    errors_wh, incomplete, absurd = [], [], []
    wanted = int((window.end_s - window.start_s - CLOSED_WITHIN_S) / plan.interval_s) - 1
    for device in plan.ids:
        start_s, end_s, total, count, most, least = booked.get(device, (0, 0, 0.0, 0, 0.0, 0.0))
        if most > MAX_RATE_KW * plan.interval_s / 3600 or least < 0:
            absurd.append(device)
        if device in plan.bad:
            continue
        if count < wanted or count != (end_s - start_s) // plan.interval_s:
            incomplete.append(device)
            continue
        used = model.energy(device, start_s, end_s) if count else 0.0
        errors_wh.append(1000 * abs(total - used))
    counted = f"{len(errors_wh)} meters"
    worst = max(errors_wh, default=0.0)
    found.promise("healthy meters without all intervals", str(len(incomplete)), not incomplete)
    found.promise(
        "energy of healthy meters, worst error", f"{worst:.3f} Wh ({counted})", worst <= window.tolerance_wh
    )
    found.promise("meters with a negative or giant interval", str(absurd[:5] or 0), not absurd)
    refused = connection.execute("SELECT count(*) FROM refusals").fetchone()[0]
    found.rows.append(("readings refused and kept", f"{refused:,}"))


def backlog(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many scans are not delivered, and how many there are."""
    total = connection.execute("SELECT max(id) FROM scans").fetchone()[0] or 0
    position = connection.execute(
        "SELECT max(position) FROM cursors WHERE stream = 'scans' AND sink = 'series'"
    ).fetchone()[0]
    return total - (position or 0), total


def is_delivered(plan: Plan, behind: int, total: int) -> bool:
    """Whether a backlog is what is on its way anyhow: five seconds of polls, and 2 %."""
    return behind <= 0.02 * total + 5 * plan.devices


def _delivered(connection: sqlite3.Connection, plan: Plan, window: Window, found: Judgement) -> None:
    behind, total = window.backlog or backlog(connection)
    dead = connection.execute("SELECT count(*) FROM dead_letters").fetchone()[0]
    found.promise(
        "scans not delivered at the end", f"{behind:,} of {total:,}", is_delivered(plan, behind, total)
    )
    found.promise("lines that the server would not take", str(dead), dead == 0)


def _machine(window: Window, found: Judgement) -> None:
    found.rows.append(("daemon, of one core", f"{window.cpu_share:.0%}"))
    found.rows.append(("simulators, of one core", f"{window.far_end_share:.0%}"))
    stalls = np.array([0.0, *window.stalls_ms])
    found.rows.append(("the machine's own stalls", _lateness([np.maximum(stalls, 0.0)])))
    waited = np.array(window.waits).reshape(-1, 3)[:, 1:].sum(axis=0) / (window.end_s - window.start_s)
    found.rows.append(
        ("without a processor: daemon, simulators", f"{waited[0]:.1%}, {waited[1]:.1%} of the time")
    )
    fifths = [float(part[:, 1].mean()) for part in np.array_split(window.memory, 5) if len(part)]
    found.rows.append(("memory by fifths, MB", " ".join(f"{megabytes:.1f}" for megabytes in fifths)))
    last = window.memory[int(0.2 * len(window.memory)) :]
    rise_mb = 0.0
    if len(last) > 2:
        rise_mb = float(np.polyfit(last[:, 0], last[:, 1], 1)[0] * (last[-1, 0] - last[0, 0]))
    mean_mb = float(last[:, 1].mean()) if len(last) else 0.0
    flat = rise_mb <= max(FLAT_MB, FLAT_SHARE * mean_mb)
    found.promise("memory", f"{mean_mb:.0f} MB, {rise_mb:+.1f} MB over the last 80 %", flat)
    found.promise("end after SIGTERM", f"{window.ended_in_s:.1f} s", window.ended_in_s <= 10)
