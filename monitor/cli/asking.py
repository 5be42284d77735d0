"""Asking for something that the sinks then do: carried out here, or left to the daemon."""

from config.loading import LoadedSite
from monitor.store.database import StoreError, WriterLock
from monitor.store.deliveries import (
    AskedOutcome,
    BackfillRequest,
    RetryRequest,
    ask_backfill,
    ask_retry,
)
from monitor.store.ledgers import writing
from monitor.store.sites import check_site

ANSWER_WITHIN_S = 60.0


def asked(loaded: LoadedSite, request: RetryRequest | BackfillRequest) -> AskedOutcome:
    """Have it written down. Raises ``StoreError``."""
    site = loaded.site.site.id
    try:
        with writing(loaded.store_path) as engine:
            check_site(engine, loaded.store_path, site)
            if isinstance(request, RetryRequest):
                return ask_retry(engine, site, request)
            return ask_backfill(engine, site, request)
    except StoreError as error:
        if error.code != "store.in_use":
            raise
    from monitor.cli.handing_over import carried_out_elsewhere

    outcome = carried_out_elsewhere(loaded, request, ANSWER_WITHIN_S)
    assert isinstance(outcome, AskedOutcome)  # noqa: S101  as it was asked
    return outcome


def daemon_runs(loaded: LoadedSite) -> bool:
    """Whether a process writes to the store: then its sinks deliver."""
    return WriterLock(loaded.store_path).holder() is not None
