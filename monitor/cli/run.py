"""``energy-monitor run``: the daemon in the foreground."""

import logging
import os
from pathlib import Path

from config.loading import LoadedSite, load_site
from config.problems import render_all
from config.words import say
from monitor.app import run_daemon
from monitor.cli.log import speak
from monitor.cli.words import colourful, explain, tell
from monitor.clock import SystemClock


def run_site(path: Path, language: str, *, quiet: bool = False) -> int:
    """Run the site's daemon until a signal ends it. Raises what is wrong with the site file.

    From then on nobody waits for whoever reads standard error: see ``monitor.cli.log``.
    """
    loaded = load_site(path)
    if loaded.warnings:
        tell(render_all(loaded.warnings, language, colour=colourful()))
    voice = speak(language, quiet=quiet)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)

    def ready(now: LoadedSite) -> None:
        devices = sum(len(bus.devices) for bus in now.site.buses)
        name = now.site.site.name.in_language("en" if language == "en" else "zh-TW")
        voice.tell(say("cli.running", language, site=name, devices=devices, store=now.store_path))

    code = 0
    try:
        run_daemon(loaded, SystemClock(), ready)
        voice.tell(say("cli.ended", language))
    except Exception as error:
        if os.environ.get("ENERGY_MONITOR_DEBUG"):
            raise
        text, code = explain(error, language)
        voice.tell(text)
    finally:
        voice.end()
    return code
