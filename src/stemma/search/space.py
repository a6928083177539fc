"""conf/search/NAME.yaml against the project: settings that there are, values that they take, rows that stay."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemma import conf
from stemma.conf.composition import mapping
from stemma.conf.difference import compare, dotted, leaves
from stemma.conf.hydra_yaml import flow, parse, read_text
from stemma.errors import SettingsError
from stemma.evaluation.settings import Settings
from stemma.files import scratch
from stemma.search.settings import Dimension, SearchSettings, contains
from stemma.settings import checked
from stemma.text import counted, few, nearest

FOLDER = Path("conf/search")
SEARCHED = ("model", "train")
WHY = dict.fromkeys(("data", "prepare"), "it moves the rows that all trials share")
OF_VERSIONS = ("init_from", "teacher", "prune_structured")  # settings of train that need another version
NAME = re.compile(r"[a-zA-Z0-9][\w-]*", re.ASCII)
NOT_FITTED = "no fit depends on it"
Load = Callable[[Path], Settings]


@dataclass(frozen=True)
class Space:
    """A search of one project."""

    name: str
    root: Path
    search: SearchSettings
    load: Load  # reads and checks a params.yaml, as the project's stages do

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.name}.yaml"

    def text(self, overrides: Sequence[str]) -> str:
        """params.yaml of a trial, composed as `dvc exp run -S OVERRIDE...` does."""
        return conf.compose(self.root, [*self.search.settings, *overrides])

    def settings(self, overrides: Sequence[str]) -> Settings:
        """Those of a trial."""
        return self.loaded(self.text(overrides))

    def loaded(self, text: str) -> Settings:
        with scratch("search") as folder:
            path = folder / conf.PARAMS
            path.write_text(text, encoding="utf-8")
            return self.load(path)

    def options(self) -> dict[str, Any]:
        """What the files say that its groups of conf/ choose from."""
        folders = {key: self.root / "conf" / key for key in self.search.space}
        files = [
            folders[key] / f"{choice}.yaml"
            for key, each in self.search.space.items()
            if folders[key].is_dir()
            for choice in each.choices or ()
        ]
        return {str(file.relative_to(self.root)): parse(read_text(file), file.name) for file in files}

    def composed(self, overrides: Sequence[str]) -> dict[str, Any]:
        """conf/ with these overrides alone, as it stands: no type is asked."""
        return mapping(conf.compose(self.root, overrides), "conf/")


def read(root: Path, name: str, load: Load) -> Space:
    """The space of this name, checked; a SettingsError where there is none, or it is wrong: every fault in a line."""
    path = file_of(root, name)
    values = parse(read_text(path), path.name)
    if not isinstance(values, dict):
        raise SettingsError(f"{FOLDER}/{name}.yaml holds no mapping of settings")
    space = Space(name, root, checked(SearchSettings, values, str(FOLDER / path.name)), load)
    if faults := sorted(set(_faults(space))):
        lines = "".join(f"\n  {fault}" for fault in faults)
        raise SettingsError(f"{space.file}: {counted(len(faults), 'setting is', 'settings are')} wrong:{lines}")
    return space


def file_of(root: Path, name: str) -> Path:
    """The file of the space of this name; a SettingsError where there is none."""
    names = sorted(file.stem for file in (root / FOLDER).glob("*.yaml"))
    if name not in names:  # it also names folders: `..` would lead out of them
        raise SettingsError(
            f"{FOLDER}/{name}.yaml is not there{nearest(name, names)}: there are {few(names, 9) or 'none'}"
        )
    return root / FOLDER / f"{name}.yaml"


def override(key: str, value: Any) -> str:
    """A value as `dvc exp run -S` takes it; numbers to four digits, which is what a person would write."""
    return f"{key}={flow(float(f'{value:.4g}') if isinstance(value, float) else value)}"


def _faults(space: Space) -> Iterator[str]:
    search, seen = space.search, dict[str, Dimension]()
    if not NAME.fullmatch(space.name):
        yield "the file's name: letters, digits, _ and - alone: experiments are called by it"
    if len(search.metrics) > 1 and search.pruner != "none":
        yield "pruner: of several metrics none can be followed in the learning curve: set it to none"
    try:
        base = space.composed(search.settings)
    except SettingsError as error:
        yield f"settings: {error}"
        return
    yield from (f"settings: {fault}" for fault in _moved(space.composed(()), base))
    for key, dimension in search.space.items():
        conditions = list(_conditions(key, dimension, seen))
        seen[key] = dimension
        faults = conditions or _of_dimension(space, base, key, tuple(dict.fromkeys(_context(dimension, seen))))
        yield from (f"space.{fault}" for fault in faults)


def _conditions(key: str, dimension: Dimension, seen: Mapping[str, Dimension]) -> Iterator[str]:
    """What is wrong with a dimension's conditions: they name choices of one that stands above it."""
    for other, values in dimension.when.items():
        chosen = [name for name, each in seen.items() if each.choices is not None]
        if other not in chosen:
            yield f"{key}.when: {other!r} is no dimension with choices above it{nearest(other, chosen)}"
        else:
            strange = [value for value in values if not contains(seen[other], value)]
            yield from (f"{key}.when.{other}: {value!r} is none of its choices" for value in strange)


def _context(dimension: Dimension, seen: Mapping[str, Dimension]) -> Iterator[str]:
    """Overrides with which a dimension counts."""
    for other, values in dimension.when.items():
        yield from _context(seen[other], seen)
        yield override(other, values[0])


def _of_dimension(space: Space, base: dict[str, Any], key: str, context: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with a name, with the rows that its values move, and with its values as the project's types say."""
    fixed = (*space.search.settings, *context)
    known = [*map(dotted, leaves(space.composed(fixed))), *conf.choices(space.root, fixed)]
    if key not in known:
        yield f"{key}: no such setting{nearest(key, known)}"
        return
    if key in [f"train.{name}" for name in OF_VERSIONS]:
        yield f"{key}: no trial reads another version, so it is not searched"
        return
    dimension = space.search.space[key]
    for value in dimension.choices or (dimension.low, dimension.high):
        try:
            moved = _moved(base, space.composed([*fixed, override(key, value)]))
            yield from moved
            if not moved:
                space.settings([*context, override(key, value)])
        except SettingsError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.startswith("  ")]
            yield from lines or [f"{key}: {value!r}: {error}"]


def _moved(base: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """Settings that differ and cannot be searched, and why."""
    keys = [each.key for each in compare(base, values)]
    return [f"{key}: {WHY.get(key.split('.')[0], NOT_FITTED)}, so it is not searched"
            for key in keys if key.split(".")[0] not in SEARCHED]  # fmt: skip
