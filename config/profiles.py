"""Device profiles: YAML files of facts about a kind of meter, the product's own or an operator's."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import ValidationError

import drivers
from config.crosschecks import check_values
from config.explanations import covered, explain
from config.message_checks import MessageChecks
from config.positions import Node, Source
from config.problems import ConfigurationError, Hint, PathKeys, Place, Problem, did_you_mean
from config.profile_checks import ProfileChecks
from config.register_checks import Lie, lies
from config.shapes import Shape
from config.syntax import read_tree
from drivers.modbus_profile import ModbusProfile
from drivers.mqtt_profile import MqttProfile

AnyProfile = ModbusProfile | MqttProfile

FOLDER = Path(drivers.__file__).parent / "profiles"

_MODELS: dict[str, type[ModbusProfile] | type[MqttProfile]] = {"modbus": ModbusProfile, "mqtt": MqttProfile}


@dataclass(frozen=True, slots=True)
class ReadProfile:
    """A profile that can be used, and what to look at in its file all the same."""

    profile: AnyProfile
    warnings: tuple[Problem, ...]


@cache
def profile_names() -> tuple[str, ...]:
    """Names of the profiles that come with the product."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def profile_hint(name: object) -> Hint:
    """What to write instead of a name that the product does not know: the nearest, or where to look."""
    return did_you_mean(name, profile_names()) or Hint("config.see_profiles", {})


def split_version(name_or_path: str | Path) -> tuple[str, str | None]:
    """``eastron_sdm630@1`` as name and version; None where it names none."""
    wish = str(name_or_path)
    name, at, version = wish.rpartition("@")
    named = bool(name) and at and not wish.endswith((".yaml", ".yml")) and "/" not in version
    return (name, version) if named else (wish, None)


def profile_path(name_or_path: str | Path, base: Path | None = None) -> Path | None:
    """File of a profile: one of the product's by its name, or any by its path.

    Parameters
    ----------
    name_or_path : ``eastron_sdm630``, or a path that ends in ``.yaml`` or ``.yml``; a version behind it is
        left aside.
    base : folder from which a relative path counts; the working directory when left out.

    Returns
    -------
    None for a name that the product does not know.
    """
    wish, _ = split_version(name_or_path)
    if wish.endswith((".yaml", ".yml")) and "\0" not in wish:
        return (base or Path()) / wish
    return FOLDER / f"{wish}.yaml" if wish in profile_names() else None


def load_profile(name_or_path: str | Path, base: Path | None = None) -> AnyProfile:
    """Read one profile.

    Raises
    ------
    ConfigurationError
        With everything that is wrong, each with its place in the profile's file.
    """
    return read_profile(name_or_path, base).profile


def read_profile(name_or_path: str | Path, base: Path | None = None) -> ReadProfile:
    """Read one profile, with what may be wrong in it but hinders nothing.

    Raises
    ------
    ConfigurationError
        With everything that is wrong, each with its place in the profile's file.
    """
    path = profile_path(name_or_path, base)
    if path is None:
        wish, _ = split_version(name_or_path)
        place, hint = Place(str(name_or_path)), profile_hint(wish)
        raise ConfigurationError([Problem("config.unknown_profile", place, (), {"profile": wish}, hint)])
    read = _read_own(path) if path.parent == FOLDER else _read(path)
    problem = other_version(name_or_path, read.profile, Place(str(name_or_path)), ())
    if problem is not None:
        raise ConfigurationError([problem])
    return read


def other_version(
    name_or_path: str | Path, profile: AnyProfile, place: Place, path: PathKeys
) -> Problem | None:
    """Say so where another version is named than that of the file."""
    name, version = split_version(name_or_path)
    if version is None or version == str(profile.version):
        return None
    data = {"profile": name, "version": version, "found": profile.version}
    return Problem("config.other_version", place, path, data)


@cache
def _read_own(path: Path) -> ReadProfile:
    """Read one of the product's own, which do not change while it runs, once."""
    return _read(path)


def _read(path: Path) -> ReadProfile:
    source = Source.read(path)
    root, problems = read_tree(source)
    if root is None:
        raise ConfigurationError(problems)
    transport = root.get("transport")
    # Who describes messages and leaves the transport out is told of that, not of every key of theirs.
    unsaid = "mqtt" if root.get("parts") is not None else "modbus"
    model = _MODELS.get(unsaid if transport is None else str(transport.value))
    if model is None:
        assert transport is not None  # noqa: S101  only a transport that is there can be unknown
        place, hint = source.place(transport.span), did_you_mean(transport.raw, _MODELS)
        data = {"value": transport.raw}
        raise ConfigurationError([*problems, Problem("config.not_one_of", place, transport.path, data, hint)])
    problems += check_values(root, Shape.of(model), source)
    problems += ProfileChecks(root, source, path.stem).all()
    problems += MessageChecks(root, source).all() if model is MqttProfile else []
    profile = None
    try:
        profile = model.model_validate(root.data())
    except ValidationError as error:
        found = explain(error, root, model, source)
        problems += [problem for problem in found if not covered(problem, problems + found)]
    if isinstance(profile, ModbusProfile) and not problems:
        problems += [_told(lie, root, source) for lie in lies(profile)]
    if profile is None or any(not problem.warning for problem in problems):
        raise ConfigurationError(problems)
    return ReadProfile(profile, tuple(problems))


def _told(lie: Lie, root: Node, source: Source) -> Problem:
    """A lie with its place: the deepest value on its path that the file has."""
    node = root
    for key in lie.path:
        below = _child(node, key)
        if below is None:
            break
        node = below
    span = node.span if node.is_scalar and node.raw else node.label
    return Problem(lie.code, source.place(span), lie.path, lie.data, warning=lie.warning)


def _child(node: Node, key: str | int) -> Node | None:
    if isinstance(key, str):
        return node.get(key)
    return node.sequence[key] if node.sequence is not None and key < len(node.sequence) else None
