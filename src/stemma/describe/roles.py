"""Which role each column has and what the target is, judged by what a survey found. Nothing is read here.

numeric      every value is a number, or nearly every one (the others are then named in a warning)
boolean      0 and 1, true and false, yes and no, t and f, y and n, in any case
date         every value is an ISO 8601 date or time
categorical  other texts whose values repeat; numbers with zeros in front, such as postal codes
drop         nothing to learn from: no value, one value, an identifier, or texts that hardly repeat
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from stemma.conf.hydra_yaml import flow
from stemma.describe import meant
from stemma.describe.dialect import Dialect
from stemma.describe.survey import DOUBTFUL, Column, Measure, Survey
from stemma.errors import DataError
from stemma.tables.derive import written
from stemma.tables.encode import OUTPUTS
from stemma.tables.settings import Role, SplitSettings, Task
from stemma.tables.split import rows_needed
from stemma.tables.validate import LARGEST, MOST_CATEGORIES
from stemma.text import counted, nearest

PAIRS = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"}, {"1", "0"})
POSITIVE = ("true", "yes", "t", "y", "1", "+1", "positive", "pos")
NEARLY = 0.95  # the share of values that decides on a column where a few do not fit
CODES = 20  # whole numbers with no more different values than this may be codes, or classes
MOST_TRIED = 1000  # texts on which settings that read them are tried
REPEATS = 3  # rows of a text level, on average, below which texts are free text
FEW = 50  # levels that are kept however seldom they repeat
IDENTIFIER = re.compile(r"(^|[\W_])(id|ids|uuid|guid|idx|index|rowid|rownum|row_number)$", re.IGNORECASE)
CAMEL = re.compile(r"[a-z](Id|ID)$")
LIKE_DATE = re.compile(
    r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b.*|.*\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*\b.*\d.*"
)
PADDED = re.compile(r"0\d")  # no number begins so, but that of a telephone
LIKE_NUMBER = re.compile(r"[-+(\u2212]?[$€£]?\s?\d[\d,.'\u2019 ]*\s?(%|[a-zA-Z€$£]{1,3})?\)?")
NO_HEADER = "if it is no header, give --no-header, and columns are c0, c1, ..."
OTHER, MOST_NAMED = "other", 10  # the class of all that are rare; of these, those named in a line
SHARES = SplitSettings(test=0.2, validation=0.2, seed=0)


@dataclass(frozen=True)
class Judged:
    """A column, its role, and in words what was seen (for `drop`: why)."""

    name: str
    role: Role
    seen: str


@dataclass(frozen=True)
class Target:
    """The column to predict; `missing`: rows in which it has no value."""

    name: str
    task: Task
    positive: str | None
    seen: str
    missing: int = 0


@dataclass(frozen=True)
class Description:
    """All that is written to conf/data/NAME.yaml."""

    path: Path  # of the file
    dialect: Dialect | None  # None for Parquet
    rows: int  # of the table
    missing: dict[str, int]  # text -> rows of what stands for no value, the empty text first
    missing_in: dict[str, dict[str, int]]  # the same for one column, in the place of that
    readings: dict[str, meant.Reading]  # how texts of single columns are written, by column and setting
    columns: tuple[Judged, ...]
    target: Target
    warnings: tuple[str, ...]  # what a person should look at, a line each


def judge(found: Survey, target: str) -> Description:
    """Roles, task and warnings.

    Raises:
        DataError: the target is not a column, has one value or is a date; the table has one row or none; or no column
            is left to learn from.
    """
    path = found.path
    by_name = {column.name: column for column in found.columns}
    if target not in by_name:
        there = f"{nearest(target, by_name)} (it has {_listed([*map(repr, by_name)], 10)})"
        raise DataError(f"{path}: the target {target!r} is not a column{there}{'; '.join(['', *_headless(found)])}")
    if found.rows < 2:
        raise DataError(f"{path} has {counted(found.rows, 'row')}: nothing can be learned from that")
    classes = _classes_like_nothing(by_name[target])
    missing, missing_in = _missing(found, target)
    for column in found.columns:
        _without(column, missing_in.get(column.name, missing))
    certain = {column.name: _certain(column) for column in found.columns}
    readings = {name: told for name, told in certain.items() if told}
    column = by_name.pop(target)
    aim = replace(_target(path, column, readings.get(target)), missing=column.rows - column.present)
    columns = tuple(Judged(column.name, *_role(column, readings.get(column.name))) for column in by_name.values())
    if all(column.role == "drop" for column in columns):
        reasons = "; ".join(f"{column.name!r}: {column.seen}" for column in columns[:5])
        raise DataError(f"{path}: no column is left to learn from{': ' * bool(reasons)}{reasons}")
    asked = [
        f"the target {target!r} has {text!r} in {counted(rows, 'row')}, taken for a class: if it stands for no value, "
        "name it in `missing_in`"
        for text, rows in classes.items()
    ]
    by_name = {name: each for name, each in by_name.items() if name not in readings}
    told = (*_of_target(column, aim), *_of_columns(by_name, columns))
    read = (_as_read(each, readings[each.name]) for each in found.columns if each.name in readings)
    told = (*_of_file(found), *asked, *told, *read)
    return Description(path, found.dialect, found.rows, missing, missing_in, readings, columns, aim, told)


def shown(text: str) -> str:
    """A text for a comment: as it is where that is plain, else quoted; cut where it is long."""
    text = text if len(text) <= 30 else text[:27] + "..."
    return text if re.fullmatch(r"[^\W_]([\w .+-]*\w)?|[\w.+-]+", text) and text.isprintable() else repr(text)


# Missing values


def _classes_like_nothing(target: Column) -> dict[str, int]:
    """Make classes of the usual texts for no value where the target's others are texts too; these classes.

    NA may be North America. Beside numbers, or yes and no, such a text is no class.
    """
    numbers = target.number.count >= NEARLY * target.present
    if target.levels is None or target.kind != "text" or numbers or {text.lower() for text in target.levels} in PAIRS:
        return {}
    found = {text: target.missing.pop(text) for text in sorted(target.missing) if text and target.missing[text]}
    target.levels.update(found)
    target.odd.update(found)
    target.distinct += len(found)
    target.counted += sum(found.values())
    return found


def _missing(found: Survey, target: str) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """What stands for no value in every column: the usual texts. And what does in single ones, by column.

    There doubtful texts do too, where all else is numbers or dates; and in the target no text that is a class.
    """
    counts: Counter[str] = Counter({"": 0})
    for column in found.columns:
        counts.update(column.missing)
    usual = {text: rows for text, rows in sorted(counts.items()) if rows or not text}
    own = {}
    for column in found.columns:
        doubtful = _doubtful(column, column.name == target)
        classes = (column.levels or Counter()).keys() & usual.keys()
        if doubtful or classes:
            texts = [text for text in usual if text not in classes]
            own[column.name] = {text: column.missing[text] for text in texts} | doubtful
    return usual, own


def _doubtful(column: Column, is_target: bool) -> dict[str, int]:
    """Beside classes that are numbers, a doubtful text is a class."""
    known = max(column.number.count, column.date.count)
    alone = not is_target and set(column.odd) <= set(DOUBTFUL)
    if known and (alone or known >= NEARLY * column.present):
        return {text: rows for text, rows in sorted(column.odd.items()) if text in DOUBTFUL}
    return {}


def _without(column: Column, missing: dict[str, int]) -> None:
    """Count the texts that stand for no value as missing."""
    for text in missing.keys() & column.odd.keys():
        rows = column.odd.pop(text)
        column.missing[text] += rows
        column.counted -= rows
        column.distinct -= 1
        if column.levels is not None:
            del column.levels[text]


# Roles


def _role(column: Column, reading: meant.Reading | None) -> tuple[Role, str]:
    """The role of a column that is not the target, and what was seen."""
    if reading:
        seen = f"written as {shown(column.spelled[0])}"
        return "date" if "date_format" in reading else "numeric", ", ".join(filter(None, (seen, _share(column))))
    if column.present == 0:
        return "drop", "empty: no value at all" if column.rows else "empty"
    if column.kind not in ("text", "number", "date", "boolean"):
        return "drop", f"values of type {column.kind}, which are no single number, text or date"
    role, seen = _constant(column) or _boolean(column) or _number(column) or _date(column) or _text(column)
    return role, ", ".join(part for part in (seen, _share(column)) if part)


def _constant(column: Column) -> tuple[Role, str] | None:
    if column.levels is None or len(column.levels) > 1:
        return None
    text = shown(next(iter(column.levels)))
    if column.present == column.rows:
        return "drop", f"constant: always {text}"
    return "categorical", f"{text} or nothing"


def _boolean(column: Column) -> tuple[Role, str] | None:
    if column.levels is None or {text.lower() for text in column.levels} not in PAIRS:
        return None
    return "boolean", _levels(column)


def _number(column: Column) -> tuple[Role, str] | None:
    number = column.number
    if number.padded or not _mostly(column, number.count):
        return None
    ends = _ends(number)
    if not number.whole or column.odd:
        return "numeric", ends
    different = column.distinct == column.counted
    named = _is_identifier(column.name)
    counting = number.low in (0, 1) and number.high - number.low + 1 == column.rows == column.present
    if different and column.rows > 2 and (named or counting):
        return "drop", f"identifier: a different whole number in every row, {ends}"
    if named and _repeats(column):
        numbers = counted(column.distinct, "whole number")
        return "categorical", f"{numbers}, {ends}, identifiers that repeat: `group` keeps each in one split"
    if named:
        return "drop", f"identifier: {_distinct(column, 'different whole number')}, {ends}"
    if 2 < column.distinct <= CODES and column.levels is not None:
        return "numeric", f"{column.distinct} whole numbers, {ends}: categorical if they are codes"
    return "numeric", ends


def _date(column: Column) -> tuple[Role, str] | None:
    if not _mostly(column, column.date.count):
        return None
    return "date", _ends(column.date)


def _text(column: Column) -> tuple[Role, str]:
    kind = _resembles(column)
    if column.distinct >= NEARLY * column.counted and column.rows > 2:
        every = "every value differs" if column.distinct == column.counted else _distinct(column, "different value")
        return "drop", kind or f"identifier or free text: {every}"
    if not _repeats(column):
        return "drop", kind or f"free text: {_distinct(column, 'level')} in {counted(column.counted, 'row')}"
    return "categorical", _levels(column) + (f"; {kind}" if kind else "")


def _is_identifier(name: str) -> bool:
    """Whether a column is called as identifiers are."""
    return bool(IDENTIFIER.search(name) or CAMEL.search(name))


def _mostly(column: Column, fitting: int) -> bool:
    """Whether all values fit, or nearly all and too many different ones for a category."""
    return fitting == column.present or (fitting >= NEARLY * column.present and column.distinct > CODES)


def _repeats(column: Column) -> bool:
    """Whether the levels of a category come often enough, and are not too many, to learn something of each."""
    if column.levels is None or column.distinct > MOST_CATEGORIES:
        return False
    return column.distinct <= FEW or column.counted >= REPEATS * column.distinct


def _resembles(column: Column) -> str:
    """What most texts look like that are read as texts, but may be meant as something else."""
    texts = [text for text in column.odd if text not in DOUBTFUL][:200]
    if not texts:
        return ""
    share = [sum(1 for text in texts if form.fullmatch(text.lower())) / len(texts) for form in (LIKE_DATE, LIKE_NUMBER)]
    if share[0] >= NEARLY:
        return f"like dates, but not as 2024-01-31: {shown(texts[0])}"
    if share[1] >= NEARLY and any(character.isdigit() for character in texts[0]):
        return f"like numbers, but with a unit or thousands: {shown(texts[0])}"
    return ""


# Words


def _levels(column: Column) -> str:
    """How many levels, and the most frequent ones."""
    names = [shown(text) for text, _ in _by_rows(column)]
    return f"{counted(len(names), 'level')}: {_listed(names, 5)}"


def _by_rows(column: Column) -> list[tuple[str, int]]:
    """Levels and their rows, the most frequent first."""
    return sorted((column.levels or Counter()).items(), key=lambda level: (-level[1], level[0]))


def _listed(names: list[str], most: int) -> str:
    return ", ".join(names[:most]) + ", ..." * (len(names) > most)


def _share(column: Column) -> str:
    share = column.missing.total() / column.rows
    if not share:
        return ""
    return "less than 0.1 % missing" if share < 0.001 else f"{100 * share:.3g} % missing"


def _distinct(column: Column, what: str) -> str:
    return ("" if column.levels is not None else "more than ") + counted(column.distinct, what)


def _ends(measure: Measure) -> str:
    return " to ".join(map(_plain, (measure.low, measure.high)))


def _plain(value: float | datetime) -> str:
    if isinstance(value, datetime):
        return str(value).removesuffix(" 00:00:00")
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"


# Target


def _target(path: Path, column: Column, reading: meant.Reading | None) -> Target:
    """The task, and for two classes the positive one."""
    where = f"{path}: the target {column.name!r}"
    if column.present == 0:
        raise DataError(f"{where} has no value in any row")
    if column.kind not in ("text", "number", "boolean") or column.date.count == column.present:
        raise DataError(f"{where} is a date or of a type that cannot be predicted ({column.kind})")
    if column.levels is not None and len(column.levels) == 1:
        raise DataError(f"{where} is {next(iter(column.levels))!r} in every row: nothing can be learned from that")
    read = reading and "date_format" not in reading
    if read or _is_amount(column):
        seen = f"written as {shown(column.spelled[0])}" if read else _ends(column.number)
        seen = f"a number, {seen}, {_distinct(column, 'different value')}"
        return Target(column.name, "regression", None, seen)
    if column.levels is None:
        raise DataError(f"{where} has {_distinct(column, 'different text')}, which are no classes")
    if len(column.levels) == 2:
        return Target(column.name, "binary", _positive(column.levels), _classes(column))
    return Target(column.name, "multiclass", None, _classes(column))


def _is_amount(column: Column) -> bool:
    """Whether the target is a number to predict rather than a class."""
    if column.number.padded or column.distinct <= 2 or not _mostly(column, column.number.count):
        return False
    many = column.distinct > CODES or column.distinct * REPEATS > column.counted
    return many or not column.number.whole


def _positive(levels: Counter[str]) -> str:
    """The class that means yes, else the rarer one, else the last."""
    yes = [text for text in levels if text.lower() in POSITIVE]
    if len(yes) == 1:
        return yes[0]
    return min(sorted(levels, reverse=True), key=lambda text: levels[text])


def _classes(column: Column) -> str:
    named = [f"{shown(text)} {rows:,}" for text, rows in _by_rows(column)]
    return f"{counted(len(named), 'class', 'classes')}: {_listed(named, 6)}"


# Warnings


def _of_file(found: Survey) -> Iterator[str]:
    if found.dialect and found.dialect.guessed:
        encoding = found.dialect.text.encoding
        yield f"the encoding {encoding} is a guess: look at the texts, and give another with --encoding"
    if found.dialect and found.dialect.stray:
        told = 'within quotes a quote is doubled ("5"" disk"), and here one is not (a backslash does not count): such'
        yield f"{told} texts are not read as meant, and `stemma bundle predict` refuses the file: write it anew"
    yield from _headless(found)


def _headless(found: Survey) -> Iterator[str]:
    """Why the first row may be no header."""
    if found.dialect and found.dialect.headless:
        yield f"the first row holds a number: {NO_HEADER}"
    elif found.dialect and found.dialect.text.header:
        again = (column.name for column in found.columns if column.levels and column.name in column.levels)
        yield from (f"the first row holds {name!r}, and so do others below it: {NO_HEADER}" for name in [*again][:1])


def _of_target(column: Column, target: Target) -> Iterator[str]:
    name = column.name
    if target.missing:
        rows = counted(target.missing, "row")
        yield f"the target {name!r} has no value in {rows}: `missing_target: drop` leaves them out"
    if target.task == "regression":
        yield from _strays(column, "numeric") if _is_amount(column) else ()
        if column.present < (needed := rows_needed(SHARES, least=2)):
            yield f"the table has {counted(column.present, 'row')} to learn from, and prepare needs {needed}"
        return
    yield from _case(column)
    if kind := _resembles(column):
        what = f"the target {name!r} has {counted(len(column.levels or ()), 'class', 'classes')}, and they look {kind}"
        found = [] if "dates" in kind else _readings(column, kind)
        yield f"{what}: write task: regression and {_or(name, found)}" if found else what
    levels, needed = column.levels or Counter(), rows_needed(SHARES)
    rare = [text for text, rows in sorted(levels.items()) if rows < needed]
    if rare:
        listed = _listed([*map(shown, rare)], 5)
        what = f"fewer than {needed} rows are of the class{'es' * (len(rare) > 1)} {listed}, and prepare refuses that"
        remedies = " or ".join(_remedies(column, rare, needed))
        yield f"{what}: write {remedies}" if remedies else what


def _remedies(column: Column, rare: list[str], needed: int) -> Iterator[str]:
    """The settings that let classes be too small: of few alone, for a line of many says nothing."""
    levels = column.levels or Counter()
    others = len(levels) - len(rare)
    if len(rare) <= MOST_NAMED:
        if others and sum(levels[text] for text in rare) >= needed:
            yield f"merge: {flow({OTHER: rare}, meant.QUOTE)}"
        if others > 1:
            condition = f"{written(column.name)} not in {rare}"
            yield f"keep: {flow({'enough': condition}, meant.QUOTE)}"
    if column.number.count == column.present and len(levels) > 2:
        yield "task: regression"


def _of_columns(columns: dict[str, Column], judged: tuple[Judged, ...]) -> Iterator[str]:
    for one in judged:
        if one.name in OUTPUTS and one.role != "drop":
            yield f"column {one.name!r} has the name of an output of the network, which prepare refuses: rename it"
        if column := columns.get(one.name):
            yield from (*_misread(column, one.role), *_strays(column, one.role))


def _as_read(column: Column, reading: meant.Reading) -> str:
    """What settles how texts are read, where all of them fit one way."""
    told = meant.lines(column.name, reading)
    return f"column {column.name!r} holds texts, which look {_resembles(column)}: they are read by {told}"


def _misread(column: Column, role: Role) -> Iterator[str]:
    """What may be meant as something else than it is read as, with what shows it and what settles it."""
    if role in ("drop", "categorical") and (kind := _resembles(column)):
        yield f"column {column.name!r} is {role}, and its texts look {kind}: {_remedy(column, kind)}"
    if role == "numeric" and (thousands := meant.between_thousands(column.spelled, column.decimal)):
        yield (
            f"column {column.name!r} holds {', '.join(thousands)}: a mark, taken for the decimal one, has three "
            "digits behind it wherever it stands; if it is between thousands, write "
            + meant.lines(column.name, {"thousands": column.decimal})
        )
    low, high = column.number.low, column.number.high
    if role == "numeric" and 19_000_101 <= low <= high <= 21_001_231 and (found := meant.dates(column.spelled)):
        told = f"column {column.name!r} is numeric, and its numbers look like dates: {column.spelled[0]}"
        yield f"{told}: give it the role date and write {_or(column.name, found)}"
    if role == "categorical":
        yield from _case(column)


def _remedy(column: Column, kind: str) -> str:
    """The settings that read texts as dates or numbers, where some do."""
    dates = ("date", "write dates as 2024-01-31")
    role, plain = dates if "dates" in kind else ("numeric", "write numbers as 1234.5")
    found = _readings(column, kind)
    return f"give it the role {role} and {_or(column.name, found)}" if found else plain


def _or(name: str, found: list[meant.Reading]) -> str:
    return " or ".join(meant.lines(name, told) for told in found) + ", whichever is meant" * (len(found) > 1)


def _readings(column: Column, kind: str) -> list[meant.Reading]:
    """What may be meant by texts of this kind."""
    broken = [f"0{column.decimal}5"] * (not column.number.whole)
    others = [] if "dates" in kind else column.spelled[:MOST_TRIED] or broken
    texts = [text for text in (*column.odd, *others) if text not in DOUBTFUL]
    return _fitting(column, texts, kind)


def _fitting(column: Column, texts: Sequence[str], kind: str) -> list[meant.Reading]:
    return meant.dates(texts) if "dates" in kind else meant.numbers(texts, column.decimal)


def _certain(column: Column) -> meant.Reading | None:
    """The one way in which all texts of a column are dates or numbers, where there is one and all of them are known."""
    named = _is_identifier(column.name)
    known = column.levels and len(column.levels) > 1 and not {*column.spelled} & {*DOUBTFUL}
    kind = "" if named or not known or column.number.count == column.present else _resembles(column)
    if not kind or ("dates" not in kind and any(map(PADDED.match, column.spelled))):
        return None
    found = _fitting(column, column.spelled, kind)
    return found[0] if len(found) == 1 else None


def _case(column: Column) -> Iterator[str]:
    """Levels that differ by capital letters alone."""
    folded: dict[str, list[str]] = {}
    for text in sorted(column.levels or ()):
        folded.setdefault(text.lower(), []).append(text)
    alike = [texts for texts in folded.values() if len(texts) > 1]
    if alike:
        yield (
            f"column {column.name!r} has {counted(len(column.levels or ()), 'level')}, {len(folded)} but for capital "
            f"letters ({', '.join(map(shown, alike[0]))}): if they are the same, write fold_case: {flow([column.name])}"
        )


def _strays(column: Column, role: Role) -> Iterator[str]:
    """Values that do not fit the role, and which prepare therefore refuses."""
    if role in ("numeric", "date"):
        counts = column.odd + Counter({"numbers": column.number.count}) if role == "date" else column.odd
        rows = counts.total()
        if rows:
            text = next(iter(counts))
            kind = "numbers" if role == "numeric" else "dates"
            found = _readings(column, "numbers") if role == "numeric" else []
            otherwise = "correct the file, or name the text in `missing_in`"
            remedy = f"write {_or(column.name, found)}" if found else otherwise
            yield (
                f"column {column.name!r} is nearly all {kind}, but {counted(rows, 'row holds', 'rows hold')} others,"
                f" such as {text!r}: {remedy}"
            )
    if role == "numeric" and max(abs(column.number.low), abs(column.number.high)) > LARGEST:
        yield f"column {column.name!r} holds a number that is infinite or too large, which prepare refuses"
