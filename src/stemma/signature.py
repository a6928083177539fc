"""What a packaged network takes and gives: signature.json, and columns of values as the arrays that the graph takes.

What values a column may have, `stemma.values` says.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.errors import BundleError, RowError
from stemma.text import counted
from stemma.values import CONVERTERS, DECIMAL, MISSING, THOUSANDS, Text, Writing, checked_format, level, wanted, writing

FORMAT = 1
NUMBERS, FLAGS = {float, int, bool, type(None)}, {0, 1, None}  # types of numbers, and truth values
TYPES = {"numeric": "number", "boolean": "boolean", "date": "date", "categorical": "string"}  # of inputs, by role
LEVELS = "by value"  # of signature.json: how texts of columns are compared


@dataclass(frozen=True)
class Input:
    """One input of the graph, of type number, boolean, date or string."""

    name: str
    type: str


@dataclass(frozen=True)
class Signature:
    """The contract of a packaged network."""

    task: str  # binary, multiclass or regression
    target: str  # the column that is predicted
    inputs: tuple[Input, ...]
    output: str  # the graph's output: probabilities (N, classes), or prediction (N, 1) for a regression
    classes: tuple[str, ...]  # labels in the order of the probabilities; empty for a regression
    positive: str | None  # of a binary task: the class predicted where its probability reaches the threshold
    threshold: float | None
    missing: tuple[str, ...] = MISSING  # the texts that stand for "no value"
    # the same for one column, in the place of `missing`
    missing_in: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fold_case: tuple[str, ...] = ()  # columns whose levels do not differ by capital letters
    # the classes of the table that stand for one of `classes`, by its name
    merge: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rare: bool = False  # whether the positive class was so in training
    by_value: bool = False  # whether a level is a value, 1 for 1.0 too; not in bundles made before that
    file: Text = field(default_factory=Text)  # how the file of the training table was written
    decimal: str = "."  # of texts, as the three below, which are by column; see `Writing`
    decimal_in: Mapping[str, str] = field(default_factory=dict)
    thousands: Mapping[str, str] = field(default_factory=dict)
    date_format: Mapping[str, str] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Columns of the output."""
        return len(self.classes) or 1

    def arrays(self, columns: Mapping[str, Sequence[Any]], first_row: int = 1) -> dict[str, NDArray[Any]]:
        """The graph's inputs, (N, 1) each, from columns of N values (text, numbers or None); others are ignored.

        Args:
            first_row: number of the first row, for messages.

        Raises:
            BundleError: names a column that is missing or of another length, or the row of a value that does not fit.
        """
        if not columns.keys() >= self._types.keys():
            columns = {name: columns[own] for name, own in called(columns).items()}
            self.check_there(columns)
        first = self.inputs[0].name
        rows = len(columns[first])
        for name in self._types:
            if len(columns[name]) != rows:
                own = counted(len(columns[name]), "row")
                raise BundleError(f"column {name!r} has {own}, and column {first!r} has {rows}")
        quick = self._plain(columns) | self._texts(columns)
        others = [each for each in self.inputs if each.name not in quick]
        return quick | {each.name: self._array(each, columns[each.name], first_row) for each in others}

    def spelled(self, column: str, text: str) -> str:
        """A level, or a class, as the network knows it; true of JSON and Parquet may be its class True, or 1."""
        found = self._spelled([text], self._writings[column])[0]
        if column != self.target or found not in ("TRUE", "FALSE"):
            return found
        known = {*self.classes, *chain(*self.merge.values())}
        words = (found, *{"TRUE": ("1", "YES"), "FALSE": ("0", "NO")}[found] * (len(known) == 2))
        alike = [name for name in known if name.upper() in words]
        return alike[0] if len(alike) == 1 and found not in known else found

    def class_of(self, text: str) -> str:
        """A class as a table has it, as the network knows it."""
        found = self.spelled(self.target, text)
        return next((name for name, some in self.merge.items() if found in some), found)

    def check_there(self, columns: Mapping[str, Any]) -> None:
        """Refuse rows that lack an input; a RowError names the inputs that are missing."""
        absent = [each for each in self.inputs if each.name not in columns]
        if absent:
            names = ", ".join(repr(each.name) for each in absent)
            what = f"the rows lack the column{'s' if len(absent) > 1 else ''} {names}"
            raise RowError(what, absent[0].name, None, self.wanted(absent[0]))

    def wanted(self, column: Input) -> str:
        """What a value of an input should be, in words."""
        return wanted(column.type, self._writings[column.name])

    def labels(self, output: NDArray[Any]) -> list[str]:
        """The class of each row of probabilities (N, classes)."""
        if self.positive is None or self.threshold is None:
            return [self.classes[number] for number in output.argmax(axis=1).tolist()]
        place = self.classes.index(self.positive)
        choices = (self.classes[1 - place], self.positive)
        return [choices[value >= self.threshold] for value in output[:, place].tolist()]  # in float64

    @cached_property
    def of_row(self) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
        """Takes the values of the inputs out of a row, in their order; KeyError: it lacks one."""
        if len(self.inputs) == 1:
            return lambda row: (row[self.inputs[0].name],)
        return itemgetter(*self._types)

    @cached_property
    def _types(self) -> dict[str, str]:
        return {each.name: each.type for each in self.inputs}

    @cached_property
    def _numeric(self) -> list[str]:
        return [name for name, kind in self._types.items() if kind in ("number", "boolean")]

    @cached_property
    def _writings(self) -> dict[str, Writing]:
        """How the values of each input, and of the target, are written."""
        return {name: writing(self, name) for name in (*self._types, self.target)}

    def _plain(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, NDArray[Any]]:
        """Numbers and truth values that are Python's own, as JSON brings them: all such inputs at once.

        A value that does not fit is left to `_array`, which names it.
        """
        names = self._numeric
        if not self._are_plain(columns, names):
            names = [name for name in names if self._are_plain(columns, [name])]
        try:
            with np.errstate(over="ignore"):
                table = np.array([columns[name] for name in names], np.float64).astype(np.float32)
        except OverflowError:
            return {}
        return {} if np.isinf(table).any() else dict(zip(names, table[..., np.newaxis], strict=True))

    def _are_plain(self, columns: Mapping[str, Sequence[Any]], names: Sequence[str]) -> bool:
        flags = [columns[name] for name in names if self._types[name] == "boolean"]
        values = chain.from_iterable([columns[name] for name in names])
        return NUMBERS.issuperset(map(type, values)) and FLAGS.issuperset(chain.from_iterable(flags))

    def _texts(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, NDArray[Any]]:
        """The inputs of type string, as `_plain`."""
        convert, texts = CONVERTERS["string"], {}
        try:
            for name in (name for name, kind in self._types.items() if kind == "string"):
                how = self._writings[name]
                texts[name] = self._spelled([convert(value, how) for value in columns[name]], how)
        except (ValueError, TypeError, OverflowError):
            return {}
        return dict(zip(texts, np.array([*texts.values()], dtype=object)[..., np.newaxis], strict=True))

    def _spelled(self, texts: list[str], how: Writing) -> list[str]:
        texts = [text.lower() for text in texts] if how.fold else texts
        return [level(text, how.decimal) for text in texts] if self.by_value else texts

    def _array(self, column: Input, values: Sequence[Any], first_row: int) -> NDArray[Any]:
        convert, how = CONVERTERS[column.type], self._writings[column.name]
        converted = []
        for row, value in enumerate(values, start=first_row):
            try:
                converted.append(convert(value, how))
            except (ValueError, TypeError, OverflowError):
                raise wrong(column, row, value, how) from None
        if column.type == "string":
            return np.array(self._spelled(converted, how), dtype=object).reshape(-1, 1)
        with np.errstate(over="ignore"):
            array = np.array(converted, dtype=np.float64).astype(np.float64 if column.type == "date" else np.float32)
        if np.isinf(array).any():
            row = int(np.isinf(array).argmax())
            raise wrong(column, row + first_row, values[row], how)
        return array.reshape(-1, 1)


def called(columns: Collection[str]) -> dict[str, str]:
    """Columns by name; spaces around one count only where another column has the name without them."""
    return {name.strip(): name for name in columns} | {name: name for name in columns}


def parse(content: bytes) -> Signature:
    """Read signature.json; a BundleError where it is not JSON, of another format, or contradicts itself."""
    try:
        entry = json.loads(content)
        if entry["format"] != FORMAT:
            raise BundleError(f"signature.json has format {entry['format']!r}, and this version reads {FORMAT}")
        signature = Signature(
            task=entry["task"],
            target=entry["target"],
            inputs=tuple(Input(each["name"], each["type"]) for each in entry["inputs"]),
            output=entry["output"],
            classes=tuple(entry.get("classes") or ()),
            positive=entry.get("positive"),
            threshold=entry.get("threshold"),
            fold_case=tuple(entry.get("fold_case") or ()),
            merge=entry.get("merge") or {},
            rare=entry.get("rare") is True,
            by_value=entry.get("levels") == LEVELS,
            file=Text(**entry.get("file") or {}),
            decimal_in=entry.get("decimal_in") or {},
            thousands=entry.get("thousands") or {},
            date_format=entry.get("date_format") or {},
            missing=tuple(text.strip() for text in entry.get("missing", MISSING)),
            missing_in={
                name: tuple(text.strip() for text in texts) for name, texts in (entry.get("missing_in") or {}).items()
            },
        )
        faults = _faults(signature)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(f"signature.json is damaged ({type(error).__name__}: {error})") from None
    if faults:
        raise BundleError(f"signature.json is damaged ({faults[0]})")
    return signature


def _faults(signature: Signature) -> list[str]:
    names = [each.name for each in signature.inputs]
    texts = [signature.target, *names, *signature.classes, *signature.missing]
    task, count, threshold = signature.task, len(set(signature.classes)), signature.threshold
    fitting = {"binary": count == 2, "multiclass": count >= 2, "regression": count == 0}
    output = "prediction" if task == "regression" else "probabilities"
    decided = isinstance(threshold, (int, float)) and 0 <= threshold <= 1 and signature.positive in signature.classes
    file = signature.file
    rules = {
        f"task {task!r} is unknown": task in fitting,
        "a name, class or missing value is not a text": all(map(_is_text, texts)),
        "it names no inputs": bool(names),
        "a decimal mark is unknown": {*signature.decimal_in.values()} <= {*DECIMAL} and file.decimal in (".", ","),
        "its separator is not one character": _is_text(file.separator) and len(file.separator) == 1,
        "its encoding is none": isinstance("a".encode(file.encoding), bytes),
        "its header is neither there nor not": isinstance(file.header, bool),
        "classes are merged into one that is none": {*signature.merge} <= {*signature.classes},
        "a mark between thousands is unknown": {*signature.thousands.values()} <= {*THOUSANDS},
        "a format of dates is none": all(map(checked_format, signature.date_format.values())),
        "two inputs have one name": len(set(names)) == len(names),
        "an input is of an unknown type": all(each.type in CONVERTERS for each in signature.inputs),
        f"output {signature.output!r} does not fit the task": signature.output == output,
        "the classes do not fit the task": fitting.get(task, True) and count == len(signature.classes),
        "a binary task needs a positive class and a threshold from 0 to 1": task != "binary" or decided,
        "only a binary task has a positive class": task == "binary" or (signature.positive, threshold) == (None, None),
    }
    return [fault for fault, holds in rules.items() if not holds]


def _is_text(value: Any) -> bool:
    """Half of a pair of surrogates is in no file and on no terminal."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def wrong(column: Input, row: int, value: Any, how: Writing) -> RowError:
    """The error of a value that does not fit."""
    shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
    expected = wanted(column.type, how)
    return RowError(f"column {column.name!r}, row {row}: {shown} is not {expected}", column.name, row, expected)
