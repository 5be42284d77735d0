"""``energy-monitor run``: the daemon in the foreground."""

import logging
from pathlib import Path

from config.loading import LoadedSite, load_site
from config.problems import render_all
from config.words import say
from monitor.app import run_daemon
from monitor.cli.log import speak
from monitor.cli.words import colourful, tell
from monitor.clock import SystemClock


def run_site(path: Path, language: str, *, quiet: bool = False) -> int:
    """Run the site's daemon until a signal ends it. Raises what ``explain`` puts into words."""
    loaded = load_site(path)
    if loaded.warnings:
        tell(render_all(loaded.warnings, language, colour=colourful()))
    speak(language, quiet=quiet)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)

    def ready(now: LoadedSite) -> None:
        devices = sum(len(bus.devices) for bus in now.site.buses)
        name = now.site.site.name.in_language("en" if language == "en" else "zh-TW")
        tell(say("cli.running", language, site=name, devices=devices, store=now.store_path))

    run_daemon(loaded, SystemClock(), ready)
    tell(say("cli.ended", language))
    return 0
