"""Dated facts in YAML files of the product or of the operator: how such a file is found, and how it is read.

The product's own files lie in a folder of ``config``; an operator names one of them, or the path of a file of
his own that ends in ``.yaml``. A file of his own may say ``extends: NAME`` and only what is different.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from config.crosschecks import check_values
from config.explanations import covered, explain
from config.positions import Node, Source
from config.problems import ConfigurationError, Hint, Place, Problem, did_you_mean
from config.shapes import Shape
from config.syntax import read_tree

Model = TypeVar("Model", bound=BaseModel)
Grade = Literal["P", "S", "B"]
"""P: primary or official text was read; S: secondary source; B: background knowledge, shown as unverified."""

SUFFIXES = (".yaml", ".yml")


Graded = Annotated[str, Field(min_length=1, description="Where it was read, for whoever has to trust it.")]


@dataclass(frozen=True, slots=True)
class ReadFile(Generic[Model]):
    """What one file says, its tree for checks that see several files, and what to look at all the same."""

    model: Model
    root: Node
    source: Source
    warnings: tuple[Problem, ...] = ()

    def problem(self, code: str, *keys: str | int, hint: Hint | None = None, **data: Any) -> Problem:
        """A problem at the deepest place on the way to ``keys`` that the file has."""
        node = self.root
        for key in keys:
            below = node.get(key) if isinstance(key, str) else dict(enumerate(node.sequence or ())).get(key)
            if below is None:
                break
            node = below
        span = node.span if node.is_scalar and node.raw else node.label
        return Problem(code, self.source.place(span), keys, data, hint)


def own_names(folder: Path) -> tuple[str, ...]:
    """Names of the product's own files of a kind."""
    return tuple(sorted(path.stem for path in folder.glob("*.yaml")))


def named_file(wish: str, folder: Path, base: Path) -> Path | None:
    """File of a name or a path.

    Parameters
    ----------
    wish : ``taipower-off-peak``, or a path that ends in ``.yaml`` or ``.yml``.
    folder : where the product's own files lie.
    base : folder from which a relative path counts.

    Returns
    -------
    None for a name that the product does not know.
    """
    if wish.endswith(SUFFIXES) and "\0" not in wish:
        return base / wish
    return folder / f"{wish}.yaml" if wish in own_names(folder) else None


def unknown_name(code: str, wish: str, folder: Path, place: Place, path: tuple[str | int, ...]) -> Problem:
    """Say that the product has no file of this name, with the nearest one that it has."""
    return Problem(code, place, path, {"name": wish}, did_you_mean(wish, own_names(folder)))


def read_data_file(
    path: Path, model: type[Model], checks: Callable[[Node, Source], Iterable[Problem]]
) -> ReadFile[Model]:
    """Read one file.

    Parameters
    ----------
    checks : finds what no model of one value can see, at the file's nodes.

    Raises
    ------
    ConfigurationError : with everything that is wrong, each with its place.
    """
    source = Source.read(path)
    root, problems = read_tree(source)
    if root is None:
        raise ConfigurationError(problems)
    problems += check_values(root, Shape.of(model), source)
    problems += checks(root, source)
    made = None
    try:
        made = model.model_validate(root.data())
    except ValidationError as error:
        found = explain(error, root, model, source)
        problems += [problem for problem in found if not covered(problem, problems + found)]
    if made is None or any(not problem.warning for problem in problems):
        raise ConfigurationError(problems)
    return ReadFile(made, root, source, tuple(problems))
