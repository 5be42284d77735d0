"""Dated facts in YAML files of the product or of the operator: how such a file is found, and how it is read.

The product's own files lie in a folder of ``config``; an operator names one of them, or the path of a file of
his own that ends in ``.yaml``. A file of his own may say ``extends: NAME`` and only what is different.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from config.crosschecks import check_values
from config.explanations import covered, explain
from config.positions import Node, Source
from config.problems import ConfigurationError, Hint, PathKeys, Place, Problem, did_you_mean
from config.shapes import Shape
from config.syntax import read_tree

Model = TypeVar("Model", bound=BaseModel)
T = TypeVar("T")
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


class Shelf(Generic[T]):
    """Files of one kind: the product's own in a folder of ``config``, and those of an operator.

    The product's own do not change while it runs and are read once; an operator's are read each time.

    Parameters
    ----------
    folder : name of the folder of the product's own.
    unknown : code of the problem where there is none of a name.
    read : makes what one file says. Raises ``ConfigurationError``.
    """

    def __init__(self, folder: str, unknown: str, read: Callable[[Path], T]) -> None:
        self._folder = Path(__file__).parent / folder
        self._unknown = unknown
        self._read = read
        self._read_own = cache(read)

    def names(self) -> tuple[str, ...]:
        """Names of the product's own files."""
        return tuple(sorted(path.stem for path in self._folder.glob("*.yaml")))

    def load(self, name_or_path: str, base: Path) -> T:
        """Read a file by its name, or by the path of a file of one's own that ends in ``.yaml`` or ``.yml``.

        Parameters
        ----------
        base : folder from which a relative path counts.

        Raises
        ------
        ConfigurationError : there is none, or everything that is wrong in it, each with its place.
        """
        path = self.path(name_or_path, base)
        if path is None:
            raise ConfigurationError([self.unknown(name_or_path, Place(name_or_path))])
        return self._read_own(path) if path.parent == self._folder else self._read(path)

    def path(self, name_or_path: str, base: Path) -> Path | None:
        """File of a name or a path; None for a name that the product does not know."""
        if name_or_path.endswith(SUFFIXES) and "\0" not in name_or_path:
            return base / name_or_path
        return self._folder / f"{name_or_path}.yaml" if name_or_path in self.names() else None

    def extended(self, read: ReadFile[Any], wish: str) -> T:
        """What a file goes on from: one of the product's own, so that nothing runs in circles."""
        if wish not in self.names():
            raise ConfigurationError([self.unknown(wish, read.problem("", "extends").place, ("extends",))])
        return self.load(wish, Path())

    def unknown(self, wish: str, place: Place, path: PathKeys = ()) -> Problem:
        """Say that the product has no file of this name, with the nearest one that it has."""
        return Problem(self._unknown, place, path, {"name": wish}, did_you_mean(wish, self.names()))


def named_as_file(read: ReadFile[Any], path: Path, key: str, name: str) -> None:
    """Refuse a file whose own name is another: two names for one thing help nobody."""
    if path.stem != name:
        raise ConfigurationError([read.problem("dr.other_name", key, name=name, stem=path.stem)])


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
