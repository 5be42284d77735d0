"""A broker: intervals and results as JSON that it keeps, each meter's total, and Home Assistant's discovery.

A line is topic and payload. MQTT 5, because only there a broker says that it refused a message; what is
published counts as delivered once the broker has answered for it with a good reason code.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from config.sinks import MqttSink
from config.site import Site
from drivers.inbox import Down
from drivers.mqtt_link import Link
from drivers.promises import Ack, LinkLostError
from monitor.discovery import Announcement, Standings, configurations, json_of
from monitor.sinks.contract import Answer, FarEnd, UnsendableError, Verdict
from monitor.sinks.http import one_line
from monitor.sinks.lines import INTERVALS
from monitor.sinks.secrets import Token
from monitor.store.changed import ChangedInterval, ChangedResult
from monitor.store.reader import UNREADABLE, StoreReader
from rules.quality import Quality

ANNOUNCE_AGAIN_S = 3600.0
"""A broker that lost what it kept without hanging up is told again after so long at the latest."""

AT_ONCE = 20  # messages that wait for the broker's answer; many brokers take no more

# Reason codes of MQTT 5, section 3.4.2.1: what they mean for delivery. Others hold: a person has to look.
_REASONS = {
    0x87: (Verdict.HOLD, "sink.mqtt_forbidden"),
    0x90: (Verdict.REFUSED, "sink.mqtt_refused"),
    0x91: (Verdict.RETRY, "sink.mqtt_busy"),
    0x95: (Verdict.REFUSED, "sink.mqtt_refused"),
    0x97: (Verdict.RETRY, "sink.mqtt_busy"),
    0x99: (Verdict.REFUSED, "sink.mqtt_refused"),
}
_LOSSES = {
    "mqtt.login_refused": (Verdict.HOLD, "sink.mqtt_login"),
    "mqtt.not_spoken": (Verdict.RETRY, "sink.mqtt_not_spoken"),
}
_WORST_FIRST = (Verdict.HOLD, Verdict.RETRY, Verdict.REFUSED)


class MqttFarEnd(FarEnd):
    """One broker.

    Parameters
    ----------
    folder : where relative paths of certificates count from.
    reader : for the meters' totals, and to tell what is newest; ``check`` has none.
    """

    streams = ("intervals", "results")
    takes = "sink.mqtt_takes"
    max_lines = 500

    def __init__(
        self, settings: MqttSink, site: Site, password: Token, folder: Path, reader: StoreReader | None
    ) -> None:
        self.sink = settings.id
        self.address = f"{settings.host}:{settings.port}"
        self._settings = settings
        self._site = site.site.id
        self._root = f"energy-monitor/{self._site}"
        self._commodities = {meter.id: meter.commodity for meter in site.meters}
        self._password = password
        self._folder = folder
        self._reader = reader
        self._standings = None if reader is None else Standings(site, reader)
        prefix = settings.discovery_prefix
        self._configurations = [] if prefix is None else configurations(site, prefix)
        self._newest: dict[tuple[str, ...], int] = {}
        self._link: Link | None = None
        self._announced_s: float | None = None

    # -- lines --------------------------------------------------------------------------------------

    def render(self, stream: str, row: Any) -> bytes:
        """Topic and payload. The broker keeps the newest; what is older goes below ``past``, not kept."""
        topic, facts, is_newest = self._interval(row) if stream == "intervals" else self._result(row)
        if not facts:
            return b""
        try:
            payload = json_of(facts)
        except ValueError as error:
            raise UnsendableError(str(error)) from None
        return f"{self._root}/{'' if is_newest else 'past/'}{topic} ".encode() + payload

    def _interval(self, row: ChangedInterval) -> tuple[str, dict[str, Any], bool]:
        reader = self._reader
        if self._standings is not None:
            self._standings.note(row)

        def newest_end_s() -> int | None:
            span = None if reader is None else reader.interval_span(row.meter)
            return None if span is None else span[1]

        is_newest = self._is_newest(("meter", row.meter), row.start_s + row.duration_s, newest_end_s)
        names = INTERVALS[self._commodities.get(row.meter)][1]
        figures = zip(names, (row.quantity, row.rate_avg, row.rate_max, row.rate_min), strict=True)
        facts = {
            "start": _instant(row.start_s),
            "duration_s": row.duration_s,
            **{name: value for name, value in figures if name is not None and value is not None},
            "coverage": round(row.coverage, 4),
            "quality": Quality(row.quality).name.lower(),
            "rev": row.rev,
        }
        return f"meters/{quote(row.meter, safe='')}/interval", facts, is_newest

    def _result(self, row: ChangedResult) -> tuple[str, dict[str, Any], bool]:
        reader = self._reader

        def newest_at_s() -> int | None:
            newest = None if reader is None else reader.newest_result(row.kind, row.subject)
            return None if newest is None else newest.at_s

        is_newest = self._is_newest((row.kind, row.subject), row.at_s, newest_at_s)
        facts = {**row.data, "at": _instant(row.at_s), "rev": row.rev} if row.data else {}
        return f"results/{quote(row.kind, safe='')}/{quote(row.subject, safe='')}", facts, is_newest

    def _is_newest(self, key: tuple[str, ...], at_s: int, newest: Callable[[], int | None]) -> bool:
        """Whether the store has nothing later; it is asked only where that may be."""
        known = self._newest.get(key)
        if known is None or at_s > known:
            known = self._newest[key] = max(at_s, newest() or at_s)
        return at_s == known

    def probe(self) -> bytes:
        """A message that the broker does not keep."""
        return f"{self._root}/probe ".encode() + json_of({"probe": 1})

    # -- the connection -----------------------------------------------------------------------------

    async def close(self) -> None:
        """Hang up."""
        link, self._link = self._link, None
        self._announced_s = None
        if link is not None:
            await link.stop()

    async def write(self, lines: Sequence[bytes]) -> Answer:
        """Publish lines, and after them the totals that they changed."""
        await asyncio.to_thread(self._password.renew)
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                link = await self._connected()
            self._note_announcing()
            totals = await asyncio.to_thread(self._standings.due) if self._standings else []
            configs = self._configurations if self._announced_s is None else []
            messages = [_message(line) for line in lines]
            for group, is_ours in ((configs, True), (messages, False), (totals, True)):
                async with asyncio.timeout(self._settings.timeout_s):
                    answer = await self._publish(link, group, is_ours=is_ours)
                if answer is not None:
                    return answer
        except TimeoutError:
            await self.close()
            return Answer(Verdict.RETRY, "sink.slow", self._data())
        except LinkLostError as lost:
            await self.close()
            return self._lost(lost.down)
        except UNREADABLE as error:
            reason = str(error.__cause__ or error)
            return Answer(Verdict.RETRY, "sink.store_unreadable", self._data(reason=reason))
        if self._standings is not None:
            self._standings.told(totals)
        if self._announced_s is None:
            self._announced_s = asyncio.get_running_loop().time()
        return Answer(Verdict.TAKEN, data=self._data())

    async def _connected(self) -> Link:
        if self._link is not None and any(isinstance(event, Down) for event in self._link.take()):
            await self.close()
        if self._link is None:
            # A name of its own each time: 'check' beside the daemon must not throw it out.
            client_id = f"energy-monitor-{self._site}-{self.sink}-{secrets.token_hex(4)}"
            password = self._password.text or None
            self._link = Link(self._settings, client_id, password, (), lasting=False, folder=self._folder)
            self._link.start()
        while not self._link.is_connected:
            await self._link.wait(1.0)
            for event in self._link.take():
                if isinstance(event, Down):
                    raise LinkLostError(event)
        return self._link

    def _note_announcing(self) -> None:
        """After a new connection, and now and then, the broker is told all that it should keep."""
        now_s = asyncio.get_running_loop().time()
        if self._announced_s is not None and now_s - self._announced_s >= ANNOUNCE_AGAIN_S:
            self._announced_s = None
        if self._announced_s is None and self._standings is not None:
            self._standings.forget_told()

    async def _publish(self, link: Link, messages: Sequence[Announcement], *, is_ours: bool) -> Answer | None:
        """Publish all; what came of it where it was not good.

        Parameters
        ----------
        is_ours : messages that are no rows: none of them may cost a row.
        """
        turns = asyncio.Semaphore(min(AT_ONCE, link.promises.max_waiting))

        async def one(message: Announcement) -> Ack:
            async with turns:
                return await link.deliver(message.topic, message.payload, retain=self._is_kept(message.topic))

        acks = await asyncio.gather(*map(one, messages), return_exceptions=True)
        answers = []
        for message, ack in zip(messages, acks, strict=True):
            if isinstance(ack, BaseException):
                raise ack
            if not ack.is_taken:
                answers.append(self._told(message.topic, ack, is_ours=is_ours))
        return min(answers, key=lambda answer: _WORST_FIRST.index(answer.verdict), default=None)

    # -- what came of it ----------------------------------------------------------------------------

    def _is_kept(self, topic: str) -> bool:
        return not topic.startswith((f"{self._root}/past/", f"{self._root}/probe"))

    def _told(self, topic: str, ack: Ack, *, is_ours: bool) -> Answer:
        verdict, code = _REASONS.get(ack.code, (Verdict.HOLD, "sink.mqtt_unexpected"))
        if is_ours and verdict is Verdict.REFUSED:
            verdict, code = Verdict.HOLD, "sink.mqtt_unexpected"
        words = f"{ack.name}, 0x{ack.code:02X}"
        return Answer(verdict, code, self._data(words=words, topic=one_line(topic)))

    def _lost(self, down: Down) -> Answer:
        verdict, code = _LOSSES.get(down.code, (Verdict.RETRY, "sink.unreachable"))
        if down.code.startswith("mqtt.tls_"):
            code = f"sink.{down.code.removeprefix('mqtt.')}"
        return Answer(verdict, code, self._data(reason=one_line(down.reason, self._password.text)))

    def _data(self, **data: Any) -> dict[str, Any]:
        facts = {"sink": self.sink, "address": self.address, "root": self._root}
        return {**facts, "user": self._settings.username or "-", "seconds": self._settings.timeout_s, **data}


def _message(line: bytes) -> Announcement:
    topic, _, payload = line.partition(b" ")
    return Announcement(topic.decode(), payload)


def _instant(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
