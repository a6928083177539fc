"""Compose conf/ into params.yaml, compare the two, guard the pipeline against their drifting apart.

DVC composes only in `dvc exp run`; `sync` composes for everyone else, by DVC's own function. `guard` is the DVC stage
`settings`. The way back, from params.yaml into conf/, is `stemma.conf.adoption`.

Hydra keeps its state in a global; each call here leaves that as it found it.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemma.conf import pins
from stemma.conf.difference import Difference, compare, dotted, leaves, shown
from stemma.conf.hydra_yaml import one_line, parse, read_text
from stemma.errors import SettingsError, VersionError
from stemma.files import read_plain, scratch, write_text
from stemma.repo import lockfile
from stemma.text import counted, few, nearest, say

PARAMS = Path("params.yaml")
PASSED = Path("reports/settings/passed.txt")
RECORD = Path("reports/settings/composed.yaml")
SYNC, ADOPT = "stemma conf sync", "stemma conf adopt"
SHOWN = 20  # differences in an error message
UNKNOWN = re.compile(r"(?:Could not override|Could not delete from config\.) '([^']+)'")


@dataclass(frozen=True)
class Layer:
    """One file of the defaults list; later layers override earlier ones."""

    name: str  # Hydra's: "model/torch_mlp"
    file: Path
    package: tuple[str, ...]  # where its values stand in the composition; () is the top
    primary: bool  # config.yaml itself
    values: Any  # as written, interpolations unresolved, without the defaults list
    defaults: tuple[Any, ...]

    def keys(self) -> dict[str, Any]:
        """Dotted key in the composition -> value as written, for each setting that this file sets."""
        return {dotted(path): value for path, value in leaves(self.values, self.package).items()}


@dataclass(frozen=True)
class Source:
    """What the settings are composed from, by the `hydra` section of DVC's configuration."""

    root: Path
    folder: Path  # conf/
    name: str  # of the primary file, without .yaml
    plugins: Path | None  # where Hydra looks for them

    def compose(self, overrides: Sequence[str] = ()) -> str:
        """The text that `dvc exp run` with these overrides writes to params.yaml."""
        from stemma.repo import composition

        with scratch("conf") as temporary, _own_hydra(self):
            output = temporary / PARAMS.name
            composition.compose(output, self.folder, self.name, self.plugins or temporary, overrides)
            return read_text(output)

    def choices(self, overrides: Sequence[str] = ()) -> dict[str, str | None]:
        """Group -> the option chosen for it, Hydra's own groups left out."""
        from hydra import compose

        with _own_hydra(self), self._initialized():
            chosen = compose(self.name, list(overrides), return_hydra_config=True).hydra.runtime.choices
            return {group: chosen[group] for group in sorted(chosen) if not group.startswith("hydra/")}

    def layers(self, overrides: Sequence[str] = ()) -> tuple[Layer, ...]:
        """The files of the defaults list, in the order in which Hydra merges them."""
        from hydra.core.global_hydra import GlobalHydra
        from hydra.types import RunMode

        with _own_hydra(self), self._initialized():
            loader = GlobalHydra.instance().config_loader()
            defaults = loader.compute_defaults_list(self.name, list(overrides), RunMode.RUN).defaults
        found = [(default, self.folder / f"{default.config_path}.yaml") for default in defaults]
        return tuple(_layer(default, file) for default, file in found if file.is_file())

    def _initialized(self) -> Any:
        from hydra import initialize_config_dir

        return initialize_config_dir(str(self.folder), version_base=None)


def source(root: Path, *, own: bool = False) -> Source:
    """Read the `hydra` section of DVC's configuration.

    Args:
        own: the repository's own code asks, so that what it brings is not kept from it; see `stemma.repo.trust`.

    Raises:
        SettingsError: `root` is no DVC repository, its configuration is wrong, or Hydra is not enabled in it.
    """
    from stemma.repo import trust

    root = root.absolute()
    if not (root / ".dvc").is_dir():
        raise SettingsError(f"{root} is not the root of a DVC repository, it holds no .dvc folder", run="dvc init")
    try:
        section = trust.config(root, validate=True, whole=own)["hydra"]
    except VersionError as error:
        raise SettingsError(error.what, run=error.run) from error
    if not section.get("enabled"):
        raise SettingsError("Hydra is not enabled in .dvc/config", run="dvc config hydra.enabled true")
    if "config_module" in section:
        what = "the settings come from a Python module by DVC's configuration, and here from a folder alone"
        raise SettingsError(what, run="dvc config --unset hydra.config_module")
    return Source(
        root=root,
        folder=root / section.get("config_dir", "conf"),
        name=section.get("config_name", "config"),
        plugins=trust.plugins(root, section.get("plugins_path", ""), whole=own),
    )


def compose(root: Path, overrides: Sequence[str] = ()) -> str:
    """The text that `dvc exp run -S OVERRIDE...` writes to params.yaml.

    Raises:
        SettingsError: conf/ does not compose, or an override is wrong.
    """
    try:
        return source(root).compose(overrides)
    except SettingsError as error:
        missing = UNKNOWN.search(error.what)
        others = [one for one in overrides if missing is None or missing[1] not in one]
        if missing is None or len(others) == len(overrides):
            raise
        # Hydra advises `+`, which would write a name that no stage knows
        paths = leaves(mapping(compose(root, others), "conf/"))
        names = {dotted(path[: at + 1]) for path in paths for at in range(len(path))}
        raise SettingsError(f"{missing[1]}: no such setting{nearest(missing[1], sorted(names))}") from error


def choices(root: Path, overrides: Sequence[str] = ()) -> dict[str, str | None]:
    """Group of conf/ -> the option chosen for it; raises as `compose`."""
    return source(root).choices(overrides)


def sync(root: Path, overrides: Sequence[str] = ()) -> bool:
    """Write params.yaml, byte for byte as `dvc exp run -S OVERRIDE...` does; say whether it changed.

    With overrides, params.yaml differs from conf/ on purpose; the record of `guard` is written too, so that the next
    `dvc repro` does not take that for a forgotten edit of conf/. Raises as `compose`, and as `pins.check`.
    """
    own = compose(root) if overrides else ""  # first: an edit in between is none that the record knows
    text = compose(root, overrides)
    pins.check(root, mapping(text, "conf/"))
    if overrides:
        write_text(root / RECORD, own)
    path = root / PARAMS
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    write_text(path, text)
    return True


def differences(root: Path) -> tuple[Difference, ...]:
    """The settings on which the composition of conf/ and params.yaml disagree, in the order of conf/.

    Raises:
        SettingsError: conf/ does not compose, or params.yaml is not there or is no YAML mapping.
    """
    return compare(mapping(compose(root), "conf/"), params(root))


def params(root: Path) -> dict[str, Any]:
    """params.yaml, loaded as Hydra loads YAML.

    Raises:
        SettingsError: it is not there, is not YAML, or is not a mapping.
    """
    path = root / PARAMS
    if not path.is_file():
        raise SettingsError(f"{PARAMS} is not there", run=SYNC)
    return mapping(read_text(path), str(PARAMS))


def mapping(text: str, name: str) -> dict[str, Any]:
    """Load a YAML mapping that was composed; a SettingsError names `name`."""
    tree = parse(text, name, run=SYNC)
    if not isinstance(tree, dict):
        raise SettingsError(f"{name} holds no mapping of settings but {shown(tree)}", run=SYNC)
    return tree


def origin(root: Path, key: str, choices: Mapping[str, str | None] | None = None) -> Path | None:
    """The file in conf/ that decides a setting, as seen from `root`; for one that no file has, the file of its group.

    Args:
        key: dotted, such as "train.learning_rate".
        choices: group -> option, where they are not those of the defaults list.

    Returns:
        None where conf/ cannot say: it does not compose.
    """
    overrides = [f"~{group}" if option is None else f"{group}={option}" for group, option in (choices or {}).items()]
    with suppress(SettingsError):  # this names a file inside another message, which must not be lost to this one
        place = source(root)
        layers = place.layers(overrides)
        file = (decider(layers, key) or home(layers, key)).file
        return file.relative_to(place.root) if file.is_relative_to(place.root) else file
    return None


def decider(layers: Sequence[Layer], key: str) -> Layer | None:
    """The last layer that sets `key`, a part of it, or the whole that it is a part of."""
    setters = [layer for layer in layers if any(_touches(one, value, key) for one, value in layer.keys().items())]
    return setters[-1] if setters else None


def home(layers: Sequence[Layer], key: str) -> Layer:
    """The layer where a new setting belongs: that of its group, else config.yaml.

    Raises:
        SettingsError: none can hold it, because config.yaml itself stands below the top.
    """
    fitting = [layer for layer in layers if f"{key}.".startswith("".join(f"{name}." for name in layer.package))]
    if not fitting:
        raise SettingsError(f"no file in conf/ can hold {key}")
    return max(fitting, key=lambda layer: (len(layer.package), layer.primary))


def guard(root: Path, validate: Callable[[], object] | None = None) -> None:
    """The DVC stage `settings`: stop where conf/ was edited and params.yaml was not composed from it.

    The two may differ after an experiment with overrides, or after a hand edit of params.yaml. What tells that from a
    forgotten `stemma conf sync` is conf/ itself: it still composes to what it did at the last pass. In an experiment
    (`dvc exp run`, queued or not) DVC has just composed params.yaml.

    Args:
        validate: called before the pass is recorded; what it raises stops the stage.

    Raises:
        SettingsError: conf/ was edited since the last pass and differs from params.yaml, one that differs
            does nothing, or as `pins.check`. Nothing is written.
    """
    text = source(root, own=True).compose()
    composed, held = mapping(text, "conf/"), params(root)
    found = compare(composed, held)
    if found and "DVC_EXP_BASELINE_REV" not in os.environ:
        if not _is_recorded(root, composed):
            raise SettingsError(_report(found))
        differ = f"params.yaml differs from conf/ in {counted(len(found), 'setting')}"
        note = f"note: {differ}: `{ADOPT}` keeps that, `{SYNC}` drops it"
        say(note, error=True)
    pins.check(root, held)
    _check_heard(found, held)
    if validate:
        validate()
    write_text(root / RECORD, text)
    write_text(root / PASSED, "params.yaml was composed from conf/\n")


def _check_heard(found: Sequence[Difference], held: Mapping[str, Any]) -> None:
    """Refuse a setting that another one goes before: it would do nothing."""
    own = pins.part(pins.part(held, "data"), "package")
    for key in (one.key for one in found if one.key.startswith("package.") and one.key.partition(".")[2] in own):
        raise SettingsError(f"{key} does nothing: data.{key}, of this table, goes before it: set that")


def _touches(one: str, value: Any, key: str) -> bool:
    """Whether a file that sets `one` has a say in `key`; an empty mapping, which is merged, has none in its parts."""
    return one == key or one.startswith(f"{key}.") or (key.startswith(f"{one}.") and value != {})


def _layer(default: Any, file: Path) -> Layer:
    values = parse(read_text(file), file.name) or {}
    listed = values.pop("defaults", None) if isinstance(values, dict) else None
    package = tuple(default.package.split(".")) if default.package else ()
    return Layer(default.config_path, file, package, bool(default.primary), values, tuple(listed or ()))


def _is_recorded(root: Path, composed: Mapping[str, Any]) -> bool:
    """Whether conf/ composes to what it did when the stage `settings` last passed."""
    try:
        return not compare(composed, mapping(read_text(root / RECORD), str(RECORD)))
    except SettingsError:  # a record that is not there, or cannot be read, tells nothing
        return False


def _report(found: Sequence[Difference]) -> str:
    lines = [
        f"conf/ was edited, but params.yaml was not composed from it: they differ in {counted(len(found), 'setting')}"
    ]
    lines += [f"  {difference}" for difference in found[:SHOWN]]
    lines += [f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return "\n".join([*lines, f"run `{SYNC}` to take conf/, or `{ADOPT}` to keep params.yaml"])


@contextmanager
def _own_hydra(place: Source) -> Iterator[None]:
    """Hydra's global state, empty inside and restored behind; its errors become one line."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    before = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    except RecursionError as error:
        raise SettingsError(f"{place.folder.name}/ does not compose: a defaults list leads back to itself") from error
    except (HydraException, OmegaConfBaseException, YAMLError, OSError, ValueError) as error:
        merged = [file.relative_to(place.root).as_posix() for file in _merged(place.folder)]
        told = f"{few(merged)}: {lockfile.MARKS}" if merged else one_line(error)
        raise _uncomposed(place.folder.name, told) from error
    finally:
        GlobalHydra.instance().hydra = before


def _merged(folder: Path) -> Iterator[Path]:
    """The files in which Git left the marks of a merge."""
    for file in sorted(folder.rglob("*.yaml")):
        with suppress(OSError):
            if lockfile.is_merged(read_plain(file).decode(errors="replace")):
                yield file


def _uncomposed(folder: str, told: str) -> SettingsError:
    """A table that has no file yet is described: by the first run of a new project, or by hand."""
    missing = re.search("Could not find '(.+)/(.+)'; Available options in '.+': (.+)", told)
    near = nearest(missing[2], missing[3].split("; ")) if missing else ""
    what = f"{folder}/ does not compose: {told}{near}"
    if missing is None or missing[1] != "data":
        return SettingsError(what)
    return SettingsError(
        f"{what}; a new project describes its table by `python tasks.py run`, another one",
        run=f"stemma describe FILE --target COLUMN --name {missing[2]}",
    )
