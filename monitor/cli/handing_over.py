"""Leaving what is to be written to the process that writes to the store."""

from collections.abc import Callable
from contextlib import suppress
from threading import Event
from time import monotonic
from typing import Any, TypeVar

from config.loading import LoadedSite
from monitor.store.database import StoreError, WriterLock
from monitor.store.ledgers import WriterEngine, writing
from monitor.store.requests import RequestBox
from monitor.store.sites import check_site

Outcome = TypeVar("Outcome")


def carried_out(
    loaded: LoadedSite,
    request: Any,
    here: Callable[[WriterEngine, str], Outcome],
    answer_within_s: float,
) -> Outcome:
    """Do it here, by ``here(engine, site id)``; where a daemon has the store, have it do it.

    Raises
    ------
    StoreError : it was refused, or nobody answered in time.
    """
    site = loaded.site.site.id
    try:
        with writing(loaded.store_path) as engine:
            check_site(engine, loaded.store_path, site)
            return here(engine, site)
    except StoreError as error:
        if error.code != "store.in_use":
            raise
    # The answer is of the request's own kind.
    outcome: Outcome = carried_out_elsewhere(loaded, request, answer_within_s)
    return outcome


def carried_out_elsewhere(loaded: LoadedSite, request: Any, answer_within_s: float) -> Any:
    """Put a request into the box, and wait for what became of it.

    Where the other process ends without an answer (it was a daemon that stops, or another import), it is
    carried out here.

    Raises
    ------
    StoreError : it was refused, or nobody answered in time.
    """
    lock = WriterLock(loaded.store_path)
    box = RequestBox(loaded.store_path)
    deadline_s = monotonic() + answer_within_s
    try:
        number = box.put(request)
        while (outcome := box.answer_to(number)) is None:
            if monotonic() > deadline_s:
                limits = {"path": str(loaded.store_path), "seconds": f"{answer_within_s:g}"}
                raise StoreError("store.no_answer", **limits)
            if lock.holder() is None:
                with suppress(StoreError), writing(loaded.store_path) as engine:
                    box.take_up(engine, loaded.site.site.id)
            Event().wait(0.1)
    finally:
        box.close()
    return outcome
