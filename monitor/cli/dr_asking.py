"""What the ``dr`` commands share: the window, the meters, and the demand that is asked about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from config.baseline_presets import Preset, load_preset, preset_names
from config.event_list import CalledEvent, read_event_list
from config.event_times import TimeRefusedError, event_instant
from config.loading import LoadedSite
from config.problems import did_you_mean, hinted
from config.site import Commodity
from config.words import say
from monitor.baselines import SiteLoad, metered, site_load, span_of
from monitor.store.reader import StoreReader
from rules.baseline.baseline import Occasion

LONGEST_H = 24


class Refused(Exception):
    """What was asked cannot be answered; it carries its own words."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Window:
    """When, as it was said: in the site's zone."""

    start: datetime
    end: datetime
    notice: datetime | None = None

    @property
    def occasion(self) -> Occasion:
        """The same as instants."""
        notice_s = None if self.notice is None else int(self.notice.timestamp())
        return Occasion(int(self.start.timestamp()), int(self.end.timestamp()), notice_s)


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks: the site, its zone, and the language of what is said."""

    loaded: LoadedSite
    language: str

    @property
    def zone(self) -> ZoneInfo:
        """The site's."""
        return ZoneInfo(self.loaded.site.site.timezone)

    def refuse(self, code: str, **data: object) -> Refused:
        """Words of a refusal."""
        return Refused(say(code, self.language, **data))

    def instant(self, text: str) -> datetime:
        """An instant as it was typed. Raises ``Refused``."""
        try:
            return event_instant(text, self.zone)
        except TimeRefusedError as error:
            guess = error.data.pop("guess", None)
            words = say(error.code, self.language, **error.data).rstrip(".。")
            stop = say("config.stop", self.language)
            hint = stop if guess is None else say("config.did_you_mean", self.language, guess=guess)
            raise Refused(words + hint) from None

    def window(self, first: str, last: str, notice: str | None) -> Window:
        """The window of ``--from``, ``--to`` and ``--notice``. Raises ``Refused``."""
        start, end = self.instant(first), self.instant(last)
        told = None if notice is None else self.instant(notice)
        if end <= start:
            raise self.refuse("dr.end_before_start", start=_text(start), end=_text(end))
        if end.timestamp() - start.timestamp() > LONGEST_H * 3600:
            raise self.refuse("dr.too_long", hours=LONGEST_H)
        self.check_edges(start, end)
        if told is not None and told > start:
            raise self.refuse("dr.notice_after_start", notice=_text(told), start=_text(start))
        return Window(start, end, told)

    def check_edges(self, *edges: datetime) -> None:
        """Refuse instants that lie inside an interval. Raises ``Refused``."""
        interval_s = self.loaded.site.interval_s
        for at in edges:
            if at.timestamp() % interval_s:
                raise self.refuse("dr.not_on_edge", time=_text(at), minutes=interval_s // 60)

    def meters(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """The meters that are meant; without any the site's electricity. Raises ``Refused``."""
        site = self.loaded.site
        electric = [meter.id for meter in site.meters if meter.commodity is Commodity.ELECTRICITY]
        for meter in wanted:
            if meter not in electric:
                hint = did_you_mean(meter, electric)
                words = say("dr.no_such_meter", self.language, meter=meter)
                raise Refused(hinted(words, hint, self.language))
        found = tuple(dict.fromkeys(wanted)) or metered(site)
        if not found:
            raise self.refuse("dr.no_meters")
        return found

    def presets(self, wanted: Sequence[str]) -> list[Preset]:
        """The presets that are meant; without any all of the product's. Raises ConfigurationError."""
        folder = self.loaded.folder
        return [load_preset(name, folder) for name in dict.fromkeys(wanted or preset_names())]

    def events(self, path: Path | None) -> tuple[CalledEvent, ...]:
        """Events of a CSV. Raises ConfigurationError."""
        return () if path is None else read_event_list(path, self.zone, self.loaded.site.interval_s)

    def load(
        self, reader: StoreReader, meters: Sequence[str], span_s: tuple[int, int], event_days: set[date]
    ) -> SiteLoad:
        """Demand of the meters. Raises StoreError."""
        return site_load(reader, self.loaded.site, self.loaded.folder, meters, span_s, event_days)

    def load_around(
        self,
        reader: StoreReader,
        meters: Sequence[str],
        windows: Sequence[Occasion],
        presets: Sequence[Preset],
        event_days: set[date],
    ) -> SiteLoad:
        """Demand of the meters, as far as some windows and methods ask for it. Raises StoreError."""
        spans = [span_of(window, presets) for window in windows]
        return self.load(reader, meters, (min(s for s, _ in spans), max(e for _, e in spans)), event_days)


def event_days(events: Sequence[CalledEvent]) -> set[date]:
    """Every day that an event of a list touches."""
    days: set[date] = set()
    for event in events:
        day = event.start.date()
        while day <= (event.end - timedelta(seconds=1)).date():
            days.add(day)
            day += timedelta(days=1)
    return days


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds" if at.second else "minutes")
