"""Put the values of params.yaml into conf/, so that it composes to them: `stemma conf adopt`.

    adopt(root)    after an experiment that is worth keeping

First the choices of the defaults lists, then each value that still differs, in the file that decides it. All of it
happens in a copy of conf/, and Hydra is asked after every step; the real files are written when the copy composes to
params.yaml, and not before.
"""

import posixpath
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

from stemma.conf import pins, yaml_edit
from stemma.conf.composition import ADOPT, PARAMS, Layer, Source, decider, home, mapping, params, source
from stemma.conf.difference import MISSING, Difference, compare, dotted, leaves, same, shown
from stemma.conf.hydra_yaml import parse, read_text
from stemma.errors import SettingsError
from stemma.files import scratch, write_text

ROUNDS = 20  # a round of edits settles what does not hang on another value; interpolations need a second or third


@dataclass(frozen=True)
class Adopted:
    """One change of a file in conf/."""

    file: Path  # from the root of the repository
    key: str  # dotted, or the group whose choice changed
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.file.as_posix()}: {self.key}: {shown(self.before)} -> {shown(self.after)}"


@dataclass(frozen=True)
class Choice:
    """A line of a defaults list that names the option of a group."""

    file: Path
    path: tuple[Any, ...]  # of the line in the file
    group: str  # as Hydra names it: "model", or "model@teacher"
    option: str | None

    @property
    def folder(self) -> str:
        """Where the options are, from conf/."""
        return self.group.split("@")[0]


def adopt(root: Path) -> tuple[Adopted, ...]:
    """Write the values of params.yaml into conf/, and say which went where.

    An option is chosen, in its defaults list, where it brings the composition nearest to params.yaml; an option that
    stands above its group (an experiment) only where all that it sets is so. Other values go into the file that
    decides them, new ones into their group's file. Comments, order and untouched lines stay as they are.

    Raises:
        SettingsError: conf/ cannot express params.yaml, or one of them is edited meanwhile; or as `pins.check`. No file
            is changed then.
    """
    place = source(root)
    before, wanted = _content(place), params(root)
    pins.check(root, wanted)
    place.compose()  # what is wrong in conf/ already is told before its copy is made
    with scratch("adopt") as temporary:
        draft = replace(place, folder=temporary / place.folder.name)
        shutil.copytree(place.folder, draft.folder)
        try:
            adopted = [*_choose(draft, wanted), *_settle(draft, wanted)]
        except SettingsError as error:
            reason = error.what.replace(str(draft.folder), str(place.folder))
            raise SettingsError(f"conf/ cannot express params.yaml, no file was changed: {reason}") from error
        changed = _changed(draft.folder, place.folder)
        text = _composition(draft)
    if read_text(place.root / PARAMS) != text:  # the order of keys, or the comments of a hand edit
        changed[place.root / PARAMS] = text
    if _content(place) != before:  # Hydra takes seconds
        raise SettingsError(f"conf/ or {PARAMS} changed meanwhile, no file was changed", run=ADOPT)
    _write_all(changed)
    named = place.folder.relative_to(place.root) if place.folder.is_relative_to(place.root) else place.folder
    return tuple(replace(one, file=named / one.file) for one in adopted)


def _composition(draft: Source) -> str:
    """What the copy composes to. The steps come back to the same files, and Hydra takes a tenth of a second."""
    files = sorted(draft.folder.rglob("*.yaml"))
    return _composed(draft, tuple((str(file), file.read_bytes()) for file in files))


@lru_cache(maxsize=4)
def _composed(draft: Source, files: tuple[tuple[str, bytes], ...]) -> str:
    """`files` tell one state of the copy from another."""
    return draft.compose()


# Choices


def _choose(draft: Source, wanted: Mapping[str, Any]) -> Iterator[Adopted]:
    """Make the one change of a choice that leaves the fewest differences, for as long as there is one."""
    found = _differences(draft, wanted)
    while found:
        best: tuple[Choice, str | None] | None = None
        for choice, option in _alternatives(draft, found):
            left = _left(draft, choice, option, wanted, fewer_than=len(found))
            if left is not None:
                best, found = (choice, option), left
        if best is None:
            return
        _write_choice(draft, *best)
        yield Adopted(best[0].file.relative_to(draft.folder), best[0].group, best[0].option, best[1])


def _differences(draft: Source, wanted: Mapping[str, Any]) -> tuple[Difference, ...]:
    return compare(mapping(_composition(draft), "conf/"), wanted)


def _alternatives(draft: Source, found: Sequence[Difference]) -> Iterator[tuple[Choice, str | None]]:
    """What each group could have instead, save where one sees without Hydra that no difference would go."""
    layers = draft.layers()
    for choice in (choice for layer in layers for choice in _lines(layer)):
        folder = draft.folder / choice.folder
        now = [layer for layer in layers if layer.file == folder / f"{choice.option}.yaml"]
        hides = _hides(now, [layer for layer in layers if layer not in now], found)
        for option in [*sorted(file.stem for file in folder.glob("*.yaml")), None]:
            if option != choice.option and (hides or (option and _brings(folder / f"{option}.yaml", found))):
                yield choice, option


def _hides(now: Sequence[Layer], others: Sequence[Layer], found: Sequence[Difference]) -> bool:
    """Whether without these files a difference could go: a value that is not wanted, or one that stands below."""
    differing = [one for one in found if decider(now, one.key)]
    nested = any(layer.defaults for layer in now)
    return nested or any(one.params is MISSING or decider(others, one.key) for one in differing)


def _brings(file: Path, found: Sequence[Difference]) -> bool:
    """Whether a file sets a value that is wanted, wherever it is put; what it takes from others is not known here."""
    text = read_text(file)
    values = parse(text, file.name) or {}
    if "${" in text or "defaults" in values:
        return True
    brought = [(f".{dotted(path)}", value) for path, value in leaves(values).items()]
    return any(f".{one.key}".endswith(key) and same(value, one.params) for one in found for key, value in brought)


def _lines(layer: Layer) -> Iterator[Choice]:
    for at, line in enumerate(layer.defaults):
        if not isinstance(line, dict) or len(line) != 1:
            continue
        [(key, option)] = line.items()
        if option is None or (isinstance(option, str) and "${" not in option):
            group = posixpath.join("/", posixpath.dirname(layer.name), key.split()[-1])  # relative, or from the top
            yield Choice(layer.file, ("defaults", at, key), group.lstrip("/"), option)


def _left(
    draft: Source, choice: Choice, option: str | None, wanted: Mapping[str, Any], fewer_than: int
) -> tuple[Difference, ...] | None:
    """The differences that another option would leave; None where they are not fewer, or it must not be chosen."""
    before = read_text(choice.file)
    _write_choice(draft, choice, option)
    try:
        left = _differences(draft, wanted)
        file = draft.folder / choice.folder / f"{option}.yaml"
        return left if len(left) < fewer_than and _fits(draft.layers(), file, left) else None
    except SettingsError:  # it does not compose with the other choices
        return None
    finally:
        write_text(choice.file, before)


def _fits(layers: Sequence[Layer], file: Path, left: Sequence[Difference]) -> bool:
    """Whether all holds that a file above the groups sets over them: to adopt half an experiment would rewrite it."""
    for key in (one.key for one in left):
        setters = [layer for layer in layers if decider([layer], key)]
        if len(setters) > 1 and setters[-1].file == file and not setters[-1].package:
            return False
    return True


def _write_choice(draft: Source, choice: Choice, option: str | None) -> None:
    write_text(choice.file, yaml_edit.set_value(read_text(choice.file), choice.path, option))


# Values


def _settle(draft: Source, wanted: Mapping[str, Any]) -> Iterator[Adopted]:
    """Write the values that still differ, until none does."""
    for _ in range(ROUNDS):
        edits = [*_edits(mapping(_composition(draft), "conf/"), wanted)]
        if not edits:
            return
        layers = draft.layers()
        literal = [edit for edit in edits if not _is_interpolated(edit, layers)]
        for edit in literal or edits:  # what refers to them may be right already, once they are
            yield from _apply(draft, layers, edit, wanted)
    raise SettingsError(str(edits[0]))


def _edits(conf: Mapping[str, Any], wanted: Mapping[str, Any], path: tuple[Any, ...] = ()) -> Iterator[Difference]:
    """What must change at the highest place where it can be said."""
    for key in [*conf, *(key for key in wanted if key not in conf)]:
        at, before, after = (*path, key), conf.get(key, MISSING), wanted.get(key, MISSING)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _edits(before, after, at)
        elif not same(before, after):
            yield Difference(at, before, after)


def _is_interpolated(edit: Difference, layers: Sequence[Layer]) -> bool:
    layer = decider(layers, edit.key)
    return layer is not None and "${" in str(layer.keys().get(edit.key, "${"))


def _apply(draft: Source, layers: Sequence[Layer], edit: Difference, wanted: Mapping[str, Any]) -> Iterator[Adopted]:
    """Write one value into the file that decides it; take one away from every file that sets it."""
    key = edit.key
    if edit.params is MISSING:
        chosen = [layer for layer in layers if decider([layer], key)]
    else:
        chosen = [decider(layers, key) or home(layers, key)]
    for layer in chosen:
        below = edit.path[len(layer.package) :]
        if not below:
            raise SettingsError(f"{edit}, which is a whole group")
        text = read_text(layer.file)
        reached = yaml_edit.reach(text, below)
        if edit.params is MISSING and reached == below:
            text = yaml_edit.remove(text, below)
        else:
            value = _escaped(reduce(getitem, (*layer.package, *reached), wanted))
            text = yaml_edit.set_value(text, reached, value, edit.conf)
        write_text(layer.file, text)
        yield Adopted(layer.file.relative_to(draft.folder), key, edit.conf, edit.params)


def _escaped(value: Any) -> Any:
    """A value with what Hydra would read as an interpolation taken literally."""
    if isinstance(value, dict):
        return {key: _escaped(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", value) if isinstance(value, str) else value


# Files


def _content(place: Source) -> dict[Path, bytes]:
    """Of conf/ and params.yaml."""
    files = [place.root / PARAMS, *sorted(place.folder.rglob("*.yaml"))]
    return {file: file.read_bytes() for file in files if file.is_file()}


def _changed(draft: Path, folder: Path) -> dict[Path, str]:
    """The files of the copy that differ from their originals: original -> new text."""
    files = [file.relative_to(draft) for file in sorted(draft.rglob("*.yaml"))]
    return {folder / f: read_text(draft / f) for f in files if (draft / f).read_bytes() != (folder / f).read_bytes()}


def _write_all(files: Mapping[Path, str]) -> None:
    """Write all of them or, where one cannot be written, none."""
    before = {file: read_text(file) for file in files}
    try:
        for file, text in files.items():
            write_text(file, text)
    except BaseException:
        for file, text in before.items():
            write_text(file, text)
        raise
