"""From what the site file says of OpenADR to a node that can run."""

from collections.abc import Callable

from config.loading import LoadedSite
from config.problems import ConfigurationError, Place, Problem
from config.secrets import reveal
from monitor.clock import SteadyClock
from monitor.openadr.reception import Reception
from monitor.openadr.reporting import UsageReports
from monitor.openadr.ven import Tell, Ven
from monitor.openadr.wire import Missing, Wire
from monitor.store.database import StoreError
from monitor.store.doing import Doing
from monitor.store.event_requests import EventOutcome, EventRequest
from monitor.store.ledgers import WriterEngine
from monitor.store.reader import StoreReader

Desk = Callable[[WriterEngine, str, EventRequest], EventOutcome]


def make_ven(
    loaded: LoadedSite, clock: SteadyClock, done: Doing, desk: Desk, changed: Callable[[], None],
    reader: StoreReader, tell: Tell,
) -> Ven | None:  # fmt: skip
    """The node of a site; None where its file says nothing of OpenADR.

    Parameters
    ----------
    done : has work done in the writer's thread, where ``desk`` belongs.
    changed : told when something stands otherwise in the store.

    Raises
    ------
    ConfigurationError : the extra is not installed.
    """
    settings = loaded.site.curtailment.openadr
    if settings is None:
        return None
    try:
        wire = Wire(settings, loaded.folder)
    except Missing as error:
        place, data = Place(str(loaded.path)), {"module": error.name or "openleadr"}
        problem = Problem("openadr.missing_extra", place, ("curtailment", "openadr"), data)
        raise ConfigurationError([problem]) from error
    site = loaded.site.site.id

    async def ask(request: EventRequest) -> EventOutcome:
        return await done(lambda engine: desk(engine, site, request))

    def key() -> str:
        if settings.operator_key is None:
            return ""
        try:
            return reveal(settings.operator_key, loaded.folder)
        except ConfigurationError as error:
            facts = error.problems[0].data
            where = str(facts.get("path") or facts.get("name") or "-")
            raise StoreError("openadr.no_key", where=where) from error

    reception = Reception(loaded, settings, clock, done, ask, key, changed)
    reports = UsageReports(settings.reports, reader, loaded.site.interval_s)
    return Ven(settings, wire, reception, reports, clock, tell)
