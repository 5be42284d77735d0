"""``energy-monitor profiles``: which device profiles there are, and what one of them says."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from config.profiles import load_profile, profile_names, profile_path
from config.words import LANGUAGES, say
from drivers.modbus_profile import ModbusPoint, ModbusProfile, register_points
from drivers.mqtt_profile import MqttProfile
from drivers.planner import Block, plan_reads
from drivers.profile import Family, PointBase, is_counter
from monitor.cli.words import plain, tell

AnyProfile = ModbusProfile | MqttProfile


def run_list(words: Sequence[str], language: str, *, as_json: bool = False) -> int:
    """List the profiles that hold every one of the words, all when there are none; 1 when none does."""
    found = [profile for name in profile_names() if _matches(profile := load_profile(name), words)]
    if as_json:
        sys.stdout.write(
            json.dumps([_facts(profile) for profile in found], ensure_ascii=False, indent=2) + "\n"
        )
        return 0 if found else 1
    if not found:
        tell(say("profiles.none_found", language, words=" ".join(words)))
        return 1
    Console().print(_list_table(found, language))
    count = len(profile_names())
    sys.stdout.write(say("profiles.listed", language, found=len(found), count=count) + "\n")
    return 0


def _matches(profile: AnyProfile, words: Iterable[str]) -> bool:
    """Whether each word is in the profile's name, maker, model, family (in any language) or its points."""
    said = [
        profile.profile,
        profile.maker,
        profile.model,
        profile.family,
        *(say(f"profiles.family_{profile.family}", language) for language in LANGUAGES),
        profile.transport,
        *profile.every_point(),
    ]
    text = " ".join(said).casefold()
    return all(word.casefold() in text for word in words)


def _facts(profile: AnyProfile) -> dict[str, object]:
    points = profile.every_point()
    return {
        "profile": profile.profile,
        "version": profile.version,
        "maker": profile.maker,
        "model": profile.model,
        "family": profile.family,
        "transport": profile.transport,
        "points": len(points),
        "unverified": [name for name, point in points.items() if point.unverified],
    }


def _list_table(profiles: Sequence[AnyProfile], language: str) -> Table:
    """One family after the other, for a person who stands before a meter of a kind."""
    table = _plain_table("profile", "device", "points", language=language)
    for family in get_args(Family):
        members = [profile for profile in profiles if profile.family == family]
        if members:
            table.add_row(Text(say(f"profiles.family_{family}", language), style="bold"))
        for profile in members:
            points = profile.every_point()
            doubtful = sum(point.unverified for point in points.values())
            mark = say("profiles.some_unverified", language, count=doubtful) if doubtful else ""
            device = profile.full_name
            if profile.transport == "mqtt" and "MQTT" not in device:
                device += " (MQTT)"
            table.add_row(f"  {profile.profile}", plain(device), plain(f"{len(points)} {mark}".strip()))
    return table


def run_show(name: str, language: str, *, as_json: bool = False) -> int:
    """Show one profile: by its name, or by the path of a file of the operator's own."""
    profile = load_profile(name, Path())
    if as_json:
        sys.stdout.write(profile.model_dump_json(indent=2, exclude_defaults=True) + "\n")
        return 0
    for line in _heading(profile, name, language):
        sys.stdout.write(line + "\n")
    if isinstance(profile, ModbusProfile):
        Console().print(_register_table(profile, language))
        for line in _plan_lines(plan_reads(register_points(profile), profile.limits), language):
            sys.stdout.write(line + "\n")
    else:
        for part, topic in ((part, part.topic) for part in profile.parts.values()):
            sys.stdout.write("\n" + say("profiles.topic", language, topic=topic) + "\n")
            table = _plain_table("point", "path", "unit", "note", language=language)
            for key, point in part.points.items():
                table.add_row(key, plain(point.path), plain(point.unit), plain(_note(point, language)))
            Console().print(table)
    return 0


def _heading(profile: AnyProfile, name: str, language: str) -> list[str]:
    lines = [
        f"{profile.profile}@{profile.version}  {profile.full_name}",
        say("profiles.family", language, family=say(f"profiles.family_{profile.family}", language)),
        *(say("profiles.source", language, source=source) for source in profile.source),
    ]
    if profile.note:
        lines.append(profile.note)
    path = profile_path(name)
    if path is not None:
        lines.append(say("profiles.file", language, path=path))
    return lines


def _register_table(profile: ModbusProfile, language: str) -> Table:
    table = _plain_table("point", "register", "type", "factor", "unit", "kind", "note", language=language)
    for name, point in profile.points.items():
        table.add_row(
            name,
            _register(profile, point),
            " + ".join(place.type.value for place in (point, *point.plus)),
            _factor(point),
            plain(point.unit),
            say("profiles.kind_counter" if is_counter(name) else "profiles.kind_other", language),
            plain(_note(point, language)),
        )
    return table


def _register(profile: ModbusProfile, point: ModbusPoint) -> str:
    """Where the value lies, its parts too, in the numbers of the profile's file."""
    places = " + ".join(str(place.address) for place in (point, *point.plus))
    return f"{(point.table or profile.defaults.table).value} {places}"


def _factor(point: ModbusPoint) -> str:
    text = "" if point.scale == 1 else f"× {point.scale:g}"
    text += "".join(f" × {factor.told_by}" for factor in point.factors)
    text += f" {point.offset:+g}" if point.offset else ""
    return text.strip()


def _note(point: PointBase, language: str) -> str:
    marks = [say("profiles.unverified", language)] if point.unverified else []
    if isinstance(point, ModbusPoint) and point.writable:
        low, high = point.writable.between
        marks.append(say("profiles.writable", language, low=f"{low:g}", high=f"{high:g}"))
    return "; ".join([*marks, *([point.note] if point.note else [])])


def _plan_lines(blocks: Sequence[Block], language: str) -> list[str]:
    requests = ", ".join(f"{b.table.value} {b.start}-{b.start + b.count - 1}" for b in blocks)
    return [say("profiles.requests", language, count=len(blocks), requests=requests)]


def _plain_table(*columns: str, language: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        name = column in ("profile", "point", "register", "type")
        table.add_column(say(f"profiles.col_{column}", language), overflow="fold", no_wrap=name)
    return table
