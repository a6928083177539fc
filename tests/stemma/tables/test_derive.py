"""Derived columns against NumPy and the calendar, in a table, in the encoder, and beside rows as service gets them."""

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemma import runtime, signature
from stemma.bundle.contents import describe
from stemma.errors import DataError
from stemma.registry import numbering
from stemma.tables import derive, encode, load, prepared, profile
from stemma.tables.check import check
from stemma.tables.settings import PrepareSettings
from tiny import SOURCES
from tiny.params import settled

ROLES = {"a": "numeric", "b-2": "numeric", "when": "date", "flag": "boolean"}
ROLES |= {"region": "categorical", "größe": "categorical"}
OTHERS = {"bought": "is the target", "old": "is dropped: give it a role"}
numbers = st.none() | st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-30, 1e30]) | st.floats(-1e6, 1e6, width=32)
texts = st.sampled_from(["", "n", "süd", "1", "A b", "x|y"])
moments = (
    st.none()
    | st.just(datetime.datetime(2000, 2, 29, 12))
    | st.datetimes(datetime.datetime(1600, 1, 1), datetime.datetime(2400, 1, 1))
)
rows = st.tuples(numbers, numbers, moments, st.sampled_from([0.0, 1.0, None]), texts, texts)


def table(of: list[tuple[Any, ...]]) -> pd.DataFrame:
    columns = dict(zip(ROLES, zip(*of, strict=True), strict=True))
    made = {name: pd.Series(columns[name], dtype=np.float64) for name in ("a", "b-2", "flag")}
    made["when"] = pd.Series(np.array(columns["when"], "datetime64[us]"))
    made |= {name: pd.Series(pd.Categorical(columns[name])) for name in ("region", "größe")}
    return pd.DataFrame({name: made[name] for name in ROLES})


FRAME = table([
    (1.0, 0.0, "2024-02-29T22:10:05", 1.0, "n", "1"), (None, 2.0, None, 0.0, "süd", "A b"),
    (3.0, 4.0, "1969-12-31T23:59:59", None, "", "1"), (0.0, 0.5, "2000-03-01", 1.0, "n", ""),
])  # fmt: skip


def of(text: str, frame: pd.DataFrame = FRAME) -> list[Any]:
    """What an expression gives; None where it is missing."""
    found = derive.columns(frame, {"new": text}, ROLES)["new"]
    return [None if value != value or value == "" else value for value in found.tolist()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a / (`b-2` + 1)", [1.0, None, 3 / 5, 0.0]),
        ("a / `b-2`", [None, None, 0.75, 0.0]),  # what is not finite is missing
        ("1 / (1 / `b-2`)", [0.0, 2.0, 4.0, 0.5]),  # but only in the end
        ("log(-a - 1)", None),
        ("log1p(`b-2`)", np.log1p([0.0, 2.0, 4.0, 0.5]).astype(np.float32).tolist()),
        ("min(a, `b-2`) + max(a, 2)", [2.0, None, 6.0, 2.0]),
        ("-a % 2", [1.0, None, 1.0, 0.0]),
        ("hour(when) >= 22", [1.0, None, 1.0, 0.0]),
        ("hour(when) * 100 + minute(when)", [2210.0, None, 2359.0, 0.0]),
        ("when >= '2000-01-01'", [1.0, None, 0.0, 1.0]),
        ("when - fill(when, '2000-03-02') < 0", [0.0, None, 0.0, 0.0]),
        ("cat(region, größe)", ["n|1", "süd|A b", None, None]),
        ("region == 'n' and not flag", [0.0, 0.0, None, 0.0]),
        ("region != 'n' or flag", [1.0, 1.0, None, 1.0]),
        ("region in ('süd', 'west')", [0.0, 1.0, None, 0.0]),
        ("größe == '1.0'", [1.0, 0.0, 1.0, None]),  # a level is a value
        ("`b-2` not in [2, 4]", [1.0, 0.0, 0.0, 1.0]),
        ("-a in (-1, 2 - 5)", [1.0, None, 1.0, 0.0]),
        ("0 < a <= 3", [1.0, None, 1.0, 0.0]),
        ("missing(region) or missing(a)", [0.0, 1.0, 1.0, 0.0]),
        ("fill(a, 9) * flag", [1.0, 0.0, None, 0.0]),
        ("fill(region, 'none')", ["n", "süd", "none", "n"]),
        ("where(a > 2, 'much', region)", ["n", None, "much", "n"]),
        ("where(flag, a, 7)", [1.0, 7.0, None, 0.0]),
        ("  a\n  + 1 ", [2.0, None, 4.0, 1.0]),
        ("1\n + `b-2` +\r\n\n a\n", [2.0, None, 8.0, 1.5]),
    ],
)
def test_an_expression_gives(text: str, expected: list[Any] | None) -> None:
    if expected is None:
        with pytest.raises(DataError, match="has no value in any row"):
            of(text)
    else:
        assert of(text) == [value if isinstance(value, str | None) else np.float32(value) for value in expected]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a +", r"new: it is no expression; .* \(at letter 3 of 'a \+'\)"),
        ("1 + agee", r"'agee' is no column \(at letter 5 of"),
        ("a + education_num", r"is no column \(did you mean '`education-num`'\?\) \(at letter 5"),
        ("fill(`größe`, 'ü') == bought", r"'bought' is the target \(at letter 23"),
        ("old * 2", "'old' is dropped: give it a role"),
        ("a + logg(old)", r"logg is no function \(did you mean log\?\): there are abs, .*at letter 5"),
        ("log(old, a)", "log takes a number"),
        ("region + 1", "this is a text, and a number is needed"),
        ("hour(a)", r"this is a number, and a date is needed \(at letter 6"),
        ("not a", "this is a number, and true or false is needed"),
        ("when", "it gives a date: take year"),
        ("1 + 1", "it uses no column"),
        ("logg(a)", r"logg is no function \(did you mean log\?\): there are abs, "),
        ("min(a)", "min takes a number, a number"),
        ("cat(region)", "cat takes a text, a text"),
        ("region < 'x'", "is compared with a text in quotes"),
        ("region == größe", "is compared with a text in quotes"),
        ("a == region", "a number is compared with a text"),
        ("a in (`b-2`, 1)", "`in` needs constants in brackets"),
        ("when > 'soon'", "'soon' is no date such as"),
        ("a @ a", "of operators there are"),
        ("a is 1", "values are compared by"),
        ("__import__('os').system('x')", "this is not understood"),
        ("().__class__", "this is not understood"),
        ("[a for a in region]", "this is not understood"),
        ("a if flag else 1", "this is not understood"),
        ("where(a, 1, 2)", "where takes a condition"),
        ("fill(a, 'x')", "fill takes a value"),
        ("a" * 1001, "longer than 1,000 letters"),
        ("(" * 900, "it is no expression"),
        ("-" * 990 + "a", "nested too deep|it is no expression"),
        ("a\0", "it is no expression"),
        ("a + " + "9" * 400, r"no column can hold this \(at letter 5"),
        (r"region == '\ud800'", r"no column can hold this \(at letter 11"),
    ],
)
def test_a_wrong_expression_is_one_line_that_says_where(text: str, what: str) -> None:
    with pytest.raises(DataError, match=what) as error:
        derive.roles(
            {"new": text},
            ROLES | {"education-num": "numeric"},
            {"bought": "is the target", "old": "is dropped: give it a role"},
        )
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


BINARY = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power, "%": np.mod}
UNARY = {name: getattr(np, name) for name in ("abs", "sqrt", "exp", "log", "log1p", "floor", "ceil", "round", "sign")}
ORDER = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal}
PAIRS = {"min": np.minimum, "max": np.maximum}
Made = tuple[str, Any]  # an expression, and the same of NumPy: columns -> float64


def missing_kept(compared: Any) -> Any:
    return lambda x, y: np.where(np.isnan(x) | np.isnan(y), np.nan, compared(x, y).astype(np.float64))


def both(text: str, apply: Any) -> Any:
    return lambda parts: (text.format(parts[0][0], parts[1][0]), lambda c: apply(parts[0][1](c), parts[1][1](c)))


def alone(name: str, apply: Any) -> Any:
    return lambda part: (f"{name}({part[0]})", lambda c: apply(part[1](c)))


leaves = st.sampled_from([
    ("a", lambda c: c["a"]), ("`b-2`", lambda c: c["b-2"]), ("flag", lambda c: c["flag"]),
]) | st.integers(-5, 5).map(lambda n: (f"({n})", lambda c: np.full(len(c), float(n))))  # fmt: skip
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        *(st.tuples(inner, inner).map(both(f"({{}} {sign} {{}})", apply)) for sign, apply in BINARY.items()),
        *(st.tuples(inner, inner).map(both(f"({{}} {sign} {{}})", missing_kept(f))) for sign, f in ORDER.items()),
        *(st.tuples(inner, inner).map(both(f"{name}({{}}, {{}})", apply)) for name, apply in PAIRS.items()),
        *(inner.map(alone(name, apply)) for name, apply in UNARY.items()),
    ),
    max_leaves=6,
)


@given(trees, st.lists(rows, min_size=1, max_size=6))
@settings(deadline=None, max_examples=60)
def test_numbers_are_those_of_numpy(tree: Made, drawn: list[tuple[Any, ...]]) -> None:
    text, compute = tree
    frame = table(drawn).astype({"a": np.float32, "b-2": np.float32}).astype({"a": np.float64, "b-2": np.float64})
    with np.errstate(all="ignore"):
        expected = compute(frame).to_numpy() if isinstance(compute(frame), pd.Series) else compute(frame)
        expected = expected.astype(np.float32)
    expected = np.where(np.isinf(expected), np.nan, expected)
    try:
        found = derive.columns(frame, {"new": f"{text} + 0 * fill(a, 0)"}, ROLES)["new"].to_numpy()
    except DataError as error:
        assert "no value in any row" in str(error) and np.isnan(expected).all()
        return
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-30)


def joined(x: Any, y: Any) -> Any:
    return np.where((x == "") | (y == ""), "", np.char.add(np.char.add(x, "|"), y))


def chosen(condition: Any, x: Any, y: Any) -> Any:
    return np.where(np.isnan(condition), "" if x.dtype.kind == "U" else np.nan, np.where(condition == 1, x, y))


def told(column: Any, truth: Any) -> Any:
    return np.where(column == "" if column.dtype.kind == "U" else np.isnan(column), np.nan, truth.astype(np.float64))


def over(template: str, apply: Any, *kinds: str) -> Any:
    """A strategy from one for each of these kinds of parts."""
    return lambda parts: st.tuples(*(parts[kind] for kind in kinds)).map(
        lambda made: (template.format(*(text for text, _ in made)), lambda c: apply(*(each(c) for _, each in made)))
    )


NOON, SECONDS = "2000-02-29T12:00:00", 951825600.0
PARTS = {  # kinds -> what makes one of others
    "text": [
        over("cat({}, {})", joined, "text", "text"),
        over("cat({}, {}, {})", lambda x, y, z: joined(joined(x, y), z), "text", "text", "text"),
        over("fill({}, 'süd')", lambda x: np.where(x == "", "süd", x), "text"),
        over("where({}, {}, 'A b')", lambda c, x: chosen(c, x, np.full(len(x), "A b")), "truth", "text"),
        over("where({}, {}, {})", chosen, "truth", "text", "text"),
    ],
    "truth": [
        over("({} == 'süd')", lambda x: told(x, x == "süd"), "text"),
        over("({} != '1.0')", lambda x: told(x, x != "1"), "text"),  # a level is a value
        over("({} in ('n', 'A b', 'n|1'))", lambda x: told(x, np.isin(x, ["n", "A b", "n|1"])), "text"),
        over("({} not in ('n', 'x|y'))", lambda x: told(x, ~np.isin(x, ["n", "x|y"])), "text"),
        over("({} in (1, -1, 0.5))", lambda x: told(x, np.isin(x, [1, -1, 0.5])), "number"),
        over("missing({})", lambda x: (x == "").astype(np.float64), "text"),
        over("missing({})", lambda x: np.isnan(x).astype(np.float64), "number"),
        over("missing({})", lambda x: np.isnan(x).astype(np.float64), "date"),
        over(f"({{}} >= '{NOON}')", lambda x: told(x, x >= SECONDS), "date"),
        over("({} < {})", lambda x, y: told(x + y, x < y), "date", "date"),
        over("(not {})", lambda x: 1 - x, "truth"),
        over("({} and {})", lambda x, y: x * y, "truth", "truth"),
        over("({} or {})", lambda x, y: x + y - x * y, "truth", "truth"),
    ],
    "number": [
        over("fill({}, 2)", lambda x: np.where(np.isnan(x), 2, x), "number"),
        over("where({}, {}, {})", chosen, "truth", "number", "number"),
        over("({} - {})", lambda x, y: (x - y) / 86400, "date", "date"),
    ],
    "date": [
        over(f"fill({{}}, '{NOON}')", lambda x: np.where(np.isnan(x), SECONDS, x), "date"),
        over("where({}, {}, {})", chosen, "truth", "date", "date"),
    ],
}


def column(name: str, kind: Any) -> Any:
    return st.just((name if name.isidentifier() else f"`{name}`", lambda c: kind(c[name])))


def seconds(values: Any) -> Any:
    return np.where(values.isna(), np.nan, values.to_numpy().astype("datetime64[us]").astype(np.int64) / 1e6)


def letters(values: Any) -> Any:
    return values.astype(str).to_numpy("U9")


COLUMNS_OF = {
    "text": column("region", letters) | column("größe", letters),
    "truth": column("flag", np.asarray),
    "number": column("a", np.asarray),
    "date": column("when", seconds) | column("then", seconds),
}
DEEPER = {kind: st.one_of(COLUMNS_OF[kind], *(makes(COLUMNS_OF) for makes in PARTS[kind])) for kind in PARTS}
MADE = [makes(DEEPER) for kind in ("text", "truth", "number") for makes in PARTS[kind]]


@pytest.mark.parametrize("made", range(len(MADE)))
@given(st.data())
@settings(deadline=None, max_examples=12)
def test_texts_truths_dates_and_choices_are_those_of_numpy(made: int, data: st.DataObject) -> None:
    text, compute = data.draw(MADE[made])
    frame = table(data.draw(st.lists(rows, min_size=6, max_size=12)))
    frame["then"] = frame["when"].to_numpy()[::-1]
    expected = compute(frame)
    try:
        found = derive.columns(frame, {"new": text}, ROLES | {"then": "date"})["new"]
    except DataError as error:
        assert "no value in any row" in str(error)
        assert (expected == "" if expected.dtype.kind == "U" else np.isnan(expected)).all()
        return
    if expected.dtype.kind == "U":
        assert found.astype(str).tolist() == expected.tolist()
    else:
        np.testing.assert_allclose(found, expected.astype(np.float32), rtol=1e-6)


@given(st.lists(rows, min_size=1, max_size=8))
@settings(deadline=None, max_examples=25)
def test_parts_of_dates_are_those_of_the_calendar(drawn: list[tuple[Any, ...]]) -> None:
    frame = table([*drawn, (1.0, 1.0, datetime.datetime(1999, 12, 31, 23, 59, 59), 1.0, "n", "n")])
    parts = ("year", "month", "day", "weekday", "hour", "minute")
    found = derive.columns(frame, {name: f"{name}(when)" for name in parts}, ROLES)
    for name in parts:
        np.testing.assert_array_equal(found[name], getattr(frame["when"].dt, name).astype(np.float64), name)


def test_chains_within_chains_are_no_work_without_end() -> None:
    text = "a < 2"
    for _ in range(60):
        text = f"a < ({text}) < a"
    assert derive.roles({"new": text}, ROLES) == {"new": "boolean"}


def test_one_may_use_those_above_it_and_not_those_below() -> None:
    found = derive.columns(FRAME, {"twice": "2 * a", "more": "twice + 1"}, ROLES)
    assert found["more"].tolist()[2] == 7.0
    with pytest.raises(DataError, match="more: 'twice' is no column"):
        derive.roles({"more": "twice + 1", "twice": "2 * a"}, ROLES)


# In a table

TEXT = "age,city name,joined,note,y\n" + "".join(
    f"{20 + row % 50},{'ab'[row % 2]} x,2024-01-{1 + row % 28:02},n{row},{'pq'[row % 3 == 0]}\n" for row in range(90)
)
COLUMNS = {"age": "numeric", "city name": "categorical", "joined": "date", "note": "drop"}
DERIVED = {"young": "age < 30", "since": "log1p(age)", "pair": "cat(`city name`, `city name`)"}


def read(small: Any, table_file: Any, **changes: Any) -> Any:
    return small(table_file(TEXT), **({"columns": COLUMNS, "derive": DERIVED} | changes))


def test_derived_columns_stand_behind_the_others_with_the_role_of_their_values(small: Any, table_file: Any) -> None:
    data = read(small, table_file)
    frame = load.table(data, SOURCES)
    assert list(frame) == ["age", "city name", "joined", "y", "young", "since", "pair"]
    assert frame["young"].tolist()[:2] == [1.0, 1.0] and frame["pair"].tolist()[1] == "b x|b x"
    about = profile_of(data)
    assert dict(about.features)["young"] == "boolean" and dict(about.features)["pair"] == "categorical"
    assert [name for name, _ in about.inputs] == ["age", "city name", "joined"]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"derive": {"age": "age + 1"}}, "`derive` names 'age', which is a column of the table"),
        ({"derive": {"new": "y == 'p'"}}, "'y' is the target"),
        ({"derive": {"new": "note == 'p'"}}, "'note' is dropped: give it a role"),
        ({"derive": {"new": "agee + 1"}}, r"'agee' is no column \(did you mean age\?\)"),
        ({"derive": {"new": "1 / (age - age)"}}, "has no value in any row"),
    ],
)
def test_what_a_table_cannot_derive_is_one_line(small: Any, table_file: Any, changes: Any, what: str) -> None:
    with pytest.raises(DataError, match=what) as error:
        load.table(read(small, table_file, **changes), SOURCES)
    assert "\n" not in str(error.value)


def profile_of(data: Any) -> profile.Profile:
    """As prepare writes it, beside the table."""
    folder = Path(data.source).parent / "prepared"
    prepared.write(folder, check(data, SOURCES, False), data, settled().prepare)
    return profile.read(folder)


def test_service_takes_the_raw_columns_alone_and_encodes_as_training(
    small: Any, table_file: Any, tmp_path: Any
) -> None:
    data = read(small, table_file)
    about = profile_of(data)
    contract = describe(about, 0.5)
    assert [each["name"] for each in contract["inputs"]] == ["age", "city name", "joined"]
    frame = load.table(data, SOURCES)
    rows = [line.split(",") for line in TEXT.splitlines()]
    raw = {name: [row[place] for row in rows[1:]] for place, name in enumerate(rows[0])}
    arrays = signature.parse(json.dumps(contract).encode()).arrays(raw)
    encoder = encode.Encoder(tmp_path / "prepared/encoder.onnx")
    session = runtime.session((tmp_path / "prepared/encoder.onnx").read_bytes())
    np.testing.assert_array_equal(runtime.run(session, arrays), encoder.encode(frame))
    assert sum(block.width for block in about.blocks) == encoder.width
    assert {block.name for block in about.blocks} >= set(DERIVED)


def test_a_profile_tells_the_expressions_in_an_order_in_which_they_can_be_made_again(
    small: Any, table_file: Any
) -> None:
    """As a fold does, with an encoder of its own."""
    data = read(small, table_file, derive={"twice": "2 * age", "half of it": "twice / 2"})
    about, frame = profile_of(data), load.table(data, SOURCES)
    how = PrepareSettings(strict=False, numeric="auto", impute="median", indicator=True, rare=1, embed=50)
    assert encode.fit(frame, about.features, how, derive=about.derive).blocks


def test_a_derived_column_without_worth_is_to_be_taken_out_of_the_expressions(small: Any, table_file: Any) -> None:
    """A role of it in `columns` says nothing."""
    derive = {"none": "age * 0", "give it the role drop": "age * 0 + 1"}
    found = check(read(small, table_file, derive=derive), SOURCES, strict=False)
    assert [hint.text for hint in found.hints if hint.kind == "constant"] == [
        "column 'none' is 0 in every training row: take it out of `derive`",
        "column 'give it the role drop' is 1 in every training row: take it out of `derive`",
    ]


def test_the_rows_are_the_same_whatever_is_derived_of_them(small: Any, table_file: Any) -> None:
    """So that versions with and without a derived column can be compared."""
    found = [profile_of(read(small, table_file, derive=derive)).raw for derive in ({}, DERIVED)]
    assert found[0]["content"] == found[1]["content"] and found[0]["sketch"] == found[1]["sketch"]


def test_an_encoder_without_derived_columns_keeps_its_bytes() -> None:
    how = PrepareSettings(strict=False, numeric="auto", impute="median", indicator=True, rare=1, embed=50)
    features = list(ROLES.items())
    assert encode.fit(FRAME, features, how).graph == encode.fit(FRAME, features, how, derive={}).graph


def test_another_expression_is_no_break_of_the_signature() -> None:
    base = {"features": [{"name": "a", "role": "numeric"}], "task": "binary", "target": "y"}
    base |= {"classes": ["n", "y"], "positive": "y"}
    more = base | {"features": [*base["features"], {"name": "new", "role": "numeric"}], "derive": {"new": "a + 1"}}
    assert numbering._signature_change(base, more) is None
