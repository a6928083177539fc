"""The sections `data` and `prepare`."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveInt

from stemma.entries import Entry
from stemma.settings import Section, Seed, Share
from stemma.task import KINDS
from stemma.task import Task as Predicted
from stemma.values import PLAIN, Writing, checked_format, checked_separator, writing

Role = Literal["numeric", "categorical", "boolean", "date", "drop", "bayes"]
Task = Literal["binary", "multiclass", "regression"]
Texts = Literal["name", "description", "intended_use"]
Merged = Annotated[tuple[str, ...], Field(min_length=1)]


def _named(given: dict[str, Any]) -> dict[str, Any]:
    """ValueError: a name in it is blank."""
    if not all(map(str.strip, given)):
        raise ValueError("a name in it is blank")
    return given


def _rising(ends: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
    """ValueError: no value is in the range."""
    lowest, highest = ends
    if lowest is not None and highest is not None and lowest > highest:
        raise ValueError(f"the lowest value, {lowest:g}, is above the highest, {highest:g}")
    return ends


def _code(given: str) -> str:
    """ValueError: it is no Python file."""
    if not given.endswith(".py"):
        raise ValueError(f"{given} is no code, which these rows come from: a table has other settings (-S data=csv)")
    return given


Named = AfterValidator(_named)
Code = Annotated[str, AfterValidator(_code)]  # a `source` whose rows are made: of a table in its place nothing is read
Ends = Annotated[tuple[float | None, float | None], AfterValidator(_rising)]


class SplitSettings(Section):
    """Shares of rows; train is what test and validation leave."""

    test: Share  # of all rows
    validation: Share  # of the rows that test leaves
    seed: Seed


class Table(Section):
    """What every table has, wherever it comes from."""

    kind: str  # its line in the table of sources
    source: str  # the file prepare depends on: the table, or the code that makes it
    target: str
    task: Task
    positive: str | None  # the class whose probability is judged; None: the last one in order
    columns: dict[str, Role]  # by name, or by a pattern such as "pixel_*"
    ranges: dict[str, Ends]  # lowest and highest of a numeric column, None is open
    group: str | None  # a column whose equal values stay in one split, or duplicates: rows with the same features
    time: str | None  # a date or number by which later rows are judged: train, then validation, then test
    partition: str | None  # a column that already says train, validation or test
    split: SplitSettings
    derive: Annotated[dict[str, str], Named] = Field(default_factory=dict)  # columns of others: by name, an expression
    missing_target: Literal["error", "drop"] = "error"  # what becomes of rows without a target
    # By a reason, a condition: rows where it holds are learned from.
    keep: Annotated[dict[str, str], Named] = Field(default_factory=dict)
    merge: Annotated[dict[str, Merged], Named] = Field(default_factory=dict)  # classes that become one, by its name
    transform_target: Literal["log"] | None = None  # what is learned of a number in its place; all else is told of it
    package: dict[Texts, str] = Field(default_factory=dict)  # in the place of those of the section `package`

    @property
    def predicts(self) -> type[Predicted]:
        """What the kind of task says of itself."""
        return KINDS[self.task]

    def writing(self, column: str) -> Writing:
        """How the texts of a column are written."""
        return PLAIN


class FileTable(Table):
    """A CSV or Parquet file."""

    kind: Literal["file"]
    separator: Annotated[str, AfterValidator(checked_separator)]
    header: bool  # whether the first row names the columns; without one they are c0, c1, ...
    encoding: str  # of the text, as Python names it
    decimal: Literal[".", ","]
    missing: tuple[str, ...]  # the texts that stand for "no value"
    missing_in: dict[str, tuple[str, ...]] = Field(default_factory=dict)  # in one column, in the place of `missing`
    decimal_in: dict[str, Literal[".", ",", ".,"]] = Field(default_factory=dict)  # in one column; ".,": either
    thousands: dict[str, Literal[".", ",", " ", "'", "\u2019"]] = Field(default_factory=dict)  # by column
    date_format: dict[str, Annotated[str, AfterValidator(checked_format)]] = Field(default_factory=dict)
    fold_case: tuple[str, ...] = ()  # columns whose levels or classes do not differ by capital letters

    def writing(self, column: str) -> Writing:
        return writing(self, column)


FILES = {"file": Entry("stemma.tables.load:file", FileTable)}  # the sources that need no code of a project


class PrepareSettings(Section):
    """How a table is checked and its columns become numbers."""

    strict: bool  # hints (leakage, duplicates, identifiers) stop the stage as errors do
    numeric: Literal["auto", "standard", "robust", "quantile"]
    impute: Literal["median", "mean"]
    indicator: bool  # one more input for each numeric column with missing values in training
    rare: PositiveInt  # a level with fewer training rows is grouped with the other rare ones
    embed: PositiveInt  # a column with more levels than this is embedded in the network, not one-hot encoded


class Checks(Section):
    """The sections that a table is checked by."""

    data: Table
    prepare: PrepareSettings
