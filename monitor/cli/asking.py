"""Asking for something that the sinks then do: carried out here, or left to the daemon."""

from config.loading import LoadedSite
from monitor.cli.handing_over import carried_out
from monitor.store.database import WriterLock
from monitor.store.deliveries import AskedOutcome, BackfillRequest, RetryRequest, ask_backfill, ask_retry
from monitor.store.ledgers import WriterEngine

ANSWER_WITHIN_S = 60.0


def asked(loaded: LoadedSite, request: RetryRequest | BackfillRequest) -> AskedOutcome:
    """Have it written down. Raises ``StoreError``."""

    def here(engine: WriterEngine, site: str) -> AskedOutcome:
        if isinstance(request, RetryRequest):
            return ask_retry(engine, site, request)
        return ask_backfill(engine, site, request)

    return carried_out(loaded, request, here, ANSWER_WITHIN_S)


def daemon_runs(loaded: LoadedSite) -> bool:
    """Whether a process writes to the store: then its sinks deliver."""
    return WriterLock(loaded.store_path).holder() is not None
