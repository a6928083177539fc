"""Every awkward table is described and read, or stops with its line."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from awkward import NAMES, PLAIN, TABLES, Awkward
from sections import described
from stemma import conf, task
from stemma.bundle.rows import Rows, batches
from stemma.errors import DataError, StemmaError
from stemma.signature import Input, Signature
from stemma.tables import check, load, select, validate
from stemma.tables.columns import role_of
from stemma.tables.settings import FILES, FileTable
from worlds import choose_a_table, stemma

ROOT = Path(__file__).parents[3]
Describe = Callable[..., FileTable]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, the current folder."""
    folder = tmp_path / "project"
    (folder / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def describe(project: Path) -> Describe:
    """describe(path, target, ...): the settings that the command writes."""

    def run(path: Path, target: str = "y", *arguments: str) -> FileTable:
        stemma("describe", str(path), "--target", target, "--name", "mine", "--force", *arguments)
        return settings_of(project / "conf/data/mine.yaml")

    return run


@pytest.fixture
def refused(describe: Describe, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line with which a table is refused."""

    def run(path: Path, *arguments: str) -> str:
        with pytest.raises(SystemExit) as stopped:
            describe(path, *arguments)
        assert stopped.value.code == 1
        return capsys.readouterr().err.strip()

    return run


def settings_of(path: Path) -> FileTable:
    """A file of conf/data/ as Hydra and the pipeline read it."""
    from omegaconf import OmegaConf

    values = OmegaConf.to_container(OmegaConf.create(path.read_text(encoding="utf-8")), resolve=True)
    return described(values)


def ids(tables: tuple[Awkward, ...]) -> dict[str, object]:
    return {"argvalues": tables, "ids": [table.name for table in tables]}


@pytest.mark.parametrize("table", **ids(tuple(table for table in TABLES if table.stops != "describe")))
def test_an_awkward_table_is_described_and_read(table, describe, tmp_path, capsys):
    found = describe(table.write(tmp_path), table.target, *table.arguments)
    assert found.task == table.task
    assert found.columns.items() >= table.roles.items()
    assert table.positive in (None, found.positive)
    told = capsys.readouterr().err
    assert table.warns in told
    if table.runs:
        frame, left_out = select.select(load.table(found, FILES), found)
        validate.check(frame, found)
        assert len(frame) + sum(left_out.values()) == 60 or "\n\n" not in table.content.decode("latin-1")
        assert [line for line in told.splitlines() if "outside the project" not in line] == [] or table.warns
    else:
        with pytest.raises(DataError) as error:
            whole_prepare(found)
        assert table.line in str(error.value)


def whole_prepare(found: FileTable) -> None:
    """What prepare does until the encoder is fitted."""
    from stemma.tables import encode
    from stemma.tables.columns import features
    from stemma.tables.settings import PrepareSettings
    from stemma.tables.split import split

    frame, _ = select.select(load.table(found, FILES), found)
    validate.check(frame, found)
    splits = split(frame, found)
    validate.check_splits(frame, found, splits)
    defaults = yaml.safe_load((ROOT / "conf/config.yaml").read_text(encoding="utf-8"))["prepare"]
    train = frame.iloc[splits["train"]]
    encode.fit(train, features(frame, found), PrepareSettings(**defaults))


@pytest.mark.parametrize("table", **ids(tuple(table for table in TABLES if table.stops == "describe")))
def test_an_awkward_table_stops_with_one_line(table, refused, tmp_path, project):
    path = table.write(tmp_path)
    told = refused(path, table.target, *table.arguments)
    assert told == f"error: {path}{table.line}"
    assert not (project / "conf").exists()


def test_of_plus_and_minus_one_the_positive_class_is_plus_one(project):
    (project / "t.csv").write_text("n,y\n" + "".join(f"{n}.5,{('-1', '+1')[n % 2]}\n" for n in range(30)))
    composed(project, "t.csv", "y")
    assert settings_of_params(project).positive == "+1"


def test_every_name_survives_hydra_and_comes_back_as_it_was(project, tmp_path):
    names = [name for table in NAMES for name in table.roles if name != "c"]
    header = ",".join('"' + name.replace('"', '""') + '"' for name in [*names, "y"])
    rows = "".join(",".join([f"{row}.5"] * len(names)) + f",{('no', 'yes')[row % 2]}\n" for row in range(30))
    (project / "t.csv").write_text(f"{header}\n{rows}", encoding="utf-8")
    composed(project, "t.csv", "y")
    found = settings_of_params(project)
    assert list(found.columns) == names
    assert set(found.columns.values()) == {"numeric"}
    assert load.table(found, FILES).shape == (30, len(names) + 1)


@pytest.mark.parametrize("text", ["${data.task}", "yes", "~", "1e3", "a: b # c", "\\${x}", "é", "'", '"', "[x]", "-"])
def test_a_target_and_its_classes_survive_hydra(project, text):
    quoted = '"' + text.replace('"', '""') + '"'
    rows = "".join(f"{row}.5,{quoted if row % 3 == 0 else 'other'}\n" for row in range(30))
    (project / "t.csv").write_text(f"n,{quoted}\n{rows}", encoding="utf-8")
    composed(project, "t.csv", text)
    found = settings_of_params(project)
    assert (found.target, found.positive, found.task) == (text, text, "binary")
    validate.check(load.table(found, FILES), found)


def test_what_hydra_cannot_say_is_refused(refused, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("n,y\n" + "".join(f"{row}.5,{'a' if row % 3 else '???'}\n" for row in range(30)))
    assert refused(path) == (
        "error: the text '???' cannot be a setting, for Hydra reads it as a missing one: rename it in the table"
    )


def composed(project: Path, file: str, target: str) -> None:
    """Describe a table in a whole project and compose its settings, as `stemma conf sync data=mine` does."""
    shutil.copytree(ROOT / "conf", project / "conf", dirs_exist_ok=True)
    choose_a_table(project)
    shutil.copy(ROOT / ".dvc/config", project / ".dvc/config")
    stemma("describe", file, "--target", target, "--name", "mine")
    conf.sync(project, ["data=mine"])


def settings_of_params(project: Path) -> FileTable:
    return described(conf.params(project)["data"])


def test_a_file_of_the_project_is_named_from_its_folder_and_another_in_full(describe, project, tmp_path, capsys):
    (project / "data/raw").mkdir(parents=True)
    for folder in (project / "data/raw", tmp_path):
        (folder / "t.csv").write_text(PLAIN)
    assert describe(Path("data/raw/t.csv")).source == "data/raw/t.csv"
    assert describe((project / "data/raw/t.csv").absolute()).source == "data/raw/t.csv"
    assert capsys.readouterr().err == ""
    assert describe(tmp_path / "t.csv").source == (tmp_path / "t.csv").as_posix()
    assert "is outside the project" in capsys.readouterr().err


def test_settings_that_are_there_are_kept_unless_forced(project, capsys):
    (project / "t.csv").write_text(PLAIN)
    (project / "conf/data").mkdir(parents=True)
    (project / "conf/data/mine.yaml").write_text("corrected by hand")
    with pytest.raises(SystemExit) as stopped:
        stemma("describe", "t.csv", "--target", "y", "--name", "mine")
    assert stopped.value.code == 1
    told = "error: conf/data/mine.yaml is there already: choose another --name, or overwrite it with --force\n"
    assert capsys.readouterr().err == told
    assert (project / "conf/data/mine.yaml").read_text() == "corrected by hand"
    stemma("describe", "t.csv", "--target", "y", "--name", "mine", "--force")
    assert (project / "conf/data/mine.yaml").read_text().startswith("# t.csv: 60 rows, 3 columns.")


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", "null", "TRUE", "con", "1st", "-x", "a.b", "x" * 65, "ü"])
def test_a_name_that_is_no_name_of_a_file_is_refused(project, name, capsys):
    (project / "t.csv").write_text(PLAIN)
    with pytest.raises(SystemExit) as stopped:
        stemma("describe", "t.csv", "--target", "y", f"--name={name}")
    assert stopped.value.code == 1
    assert capsys.readouterr().err.startswith(f"error: --name {name!r} is not a name for a file")
    assert not (project / "conf").exists()


def test_a_warning_stops_where_strict_and_nothing_is_written(refused, project, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(PLAIN.replace("0.00,", "inf,", 1))
    told = refused(path, "y", "--strict")
    assert told == f"error: {path}: column 'n' holds a number that is infinite or too large, which prepare refuses"
    assert not (project / "conf").exists()


def test_a_file_that_is_not_there_is_named(refused, tmp_path):
    assert refused(tmp_path / "none.csv") == f"error: {tmp_path / 'none.csv'} is not there"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["t.csv"],
        ["t.csv", "--target", "y"],
        *(["t.csv", "--target", "y", "--name", "t", "--separator", text] for text in ("ab", "é", '"', "\0")),
    ],
)
def test_wrong_usage_ends_with_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        stemma("describe", *arguments)
    assert stopped.value.code == 2
    assert "Usage: stemma describe" in capsys.readouterr().err


def test_what_was_seen_stands_behind_each_line(describe, project, tmp_path, capsys):
    numbers = range(100)
    rows = [
        f"{n},{n % 5}.5,{1 + n // 8 % 4},{'ab'[n % 2] if n % 10 else ''},7,{('no', 'yes')[n % 4 == 0]}" for n in numbers
    ]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["id,n,k,c,const,y", *rows]))
    describe(path)
    lines = (project / "conf/data/mine.yaml").read_text().splitlines()
    told = {line.split(":")[0].strip(" '\""): line.split("# ")[1] for line in lines[1:] if "# " in line}
    assert told["target"] == "2 classes: no 75, yes 25"
    assert told["missing"] == 'values: "" 10'
    assert told["id"] == "identifier: a different whole number in every row, 0 to 99"
    assert told["n"] == "0.5 to 4.5"
    assert told["k"] == "4 whole numbers, 1 to 4: categorical if they are codes"
    assert told["c"] == "2 levels: b, a, 10 % missing"
    assert told["const"] == "constant: always 7"
    shown = capsys.readouterr().out
    assert all(text in shown for text in (told["id"], told["c"], "target, binary", "dvc exp run -S data=mine"))


@pytest.mark.slow
def test_the_same_table_gives_the_same_bytes(project):
    (project / "t.csv").write_text(PLAIN)
    made = []
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "stemma.cli", "describe"]
        arguments = ["t.csv", "--target", "y", "--name", "mine", "--force"]
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "src")}
        subprocess.run([*command, *arguments], env=environment, check=True, capture_output=True)
        made.append((project / "conf/data/mine.yaml").read_bytes())
    assert made[0] == made[1]


def test_whole_numbers_in_order_are_numeric_whatever_their_histogram(describe, tmp_path):
    counts = {"education_num": [30, 90, 20, 5, 50], "amounts": [20, 30, 90, 50, 5], "noise": [40, 38, 41, 37, 39]}
    columns = {name: np.repeat([1, 2, 3, 4, 5], rows) for name, rows in counts.items()}
    frame = pd.DataFrame(columns | {"y": ["a", "b", "c"] * 65})
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = describe(tmp_path / "t.csv")
    assert found.columns == dict.fromkeys(columns, "numeric")


def test_the_real_file_is_described_as_a_person_would(describe, real_file):
    found = describe(real_file, "Revenue")
    assert (found.task, found.positive, found.separator) == ("binary", "TRUE", ",")
    by_hand = described(yaml.safe_load((ROOT / "conf/data/csv.yaml").read_text(encoding="utf-8")))
    codes = ("OperatingSystems", "Browser", "Region", "TrafficType")  # a person knows that these have no order
    assert found.columns == by_hand.columns | dict.fromkeys(codes, "numeric")


@pytest.mark.slow
def test_a_column_of_many_levels_is_measured_in_pieces(describe, tmp_path):
    rows = np.arange(150_000)
    frame = pd.DataFrame(
        {
            "amount": rows * 7 % 149_993 / 8,
            "gaps": np.where(rows % 3 == 0, "NA", (rows / 4).astype(str)),
            "late": np.where(rows == 149_999, "oops", rows.astype(str)),
            "user": [f"u{row % 30_000}" for row in rows],
            "key": [f"k{row}" for row in rows],
            "zip": [f"{row:07}" for row in rows],
            "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(rows, "min"),
            "row_id": rows,
            "y": rows % 2,
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    expected = {"amount": "numeric", "gaps": "numeric", "late": "numeric", "user": "drop", "key": "drop", "zip": "drop"}
    assert describe(tmp_path / "t.csv").columns == expected | {"when": "date", "row_id": "drop"}
    frame.drop(columns=["gaps", "late"]).to_parquet(tmp_path / "t.parquet")
    found = describe(tmp_path / "t.parquet").columns
    assert found == {
        name: role for name, role in (expected | {"when": "date", "row_id": "drop"}).items() if name in found
    }


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with Git and DVC, the current folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for arguments in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(arguments, check=True, capture_output=True)
    return folder


def test_a_file_from_the_web_is_fetched_by_dvc_and_described(repository, tmp_path):
    (tmp_path / "web").mkdir()
    (tmp_path / "web/t.csv").write_text(PLAIN)
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "web")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        (repository / "data/raw").mkdir(parents=True)
        address = f"http://127.0.0.1:{server.server_port}/t.csv"
        subprocess.run(["dvc", "import-url", address, "data/raw/t.csv"], check=True, capture_output=True)
        server.shutdown()
    stemma("describe", "data/raw/t.csv", "--target", "y", "--name", "mine")
    assert settings_of(repository / "conf/data/mine.yaml").source == "data/raw/t.csv"


def test_a_tracked_file_is_copied_and_kept_by_dvc(repository, tmp_path, capsys):
    (tmp_path / "t.csv").write_text(PLAIN)
    arguments = [str(tmp_path / "t.csv"), "--target", "y", "--name", "mine", "--track", "--force"]
    stemma("describe", *arguments)
    assert settings_of(repository / "conf/data/mine.yaml").source == "data/raw/t.csv"
    assert (repository / "data/raw/t.csv").read_text() == PLAIN
    assert (repository / "data/raw/t.csv.dvc").is_file()
    assert capsys.readouterr().err == ""
    (tmp_path / "t.csv").write_text(PLAIN + "1.00,red,no\n")
    with pytest.raises(SystemExit):
        stemma("describe", *arguments[:-3], "other", "--track")
    told = "error: data/raw/t.csv is there already with another content: overwrite it with --force\n"
    assert capsys.readouterr().err == told
    assert not (repository / "conf/data/other.yaml").exists()


@pytest.mark.parametrize(("link", "named"), [("conf", "conf/data/mine.yaml"), ("data", "data/raw/t.csv")])
def test_nothing_is_written_through_a_link_that_leads_elsewhere(refused, project, tmp_path, link, named):
    (tmp_path / "t.csv").write_text(PLAIN)
    (tmp_path / "elsewhere").mkdir()
    (project / link).symlink_to(tmp_path / "elsewhere")
    told = f"error: {named} is not in the project: a link leads elsewhere"
    assert refused(tmp_path / "t.csv", "y", "--track") == told
    assert not any((tmp_path / "elsewhere").iterdir())


def test_a_file_that_dvc_has_not_fetched_names_the_command(refused, tmp_path):
    (tmp_path / "t.csv.dvc").write_text("outs: []")
    path = tmp_path / "t.csv"
    assert refused(path) == f"error: {path} is not there: run `dvc pull {path.as_posix()}.dvc`"


def test_a_doubtful_text_among_classes_is_a_class(describe, tmp_path):
    rows = "".join(f"{row}.5,{('1', '2', 'unknown')[row % 3]}\n" for row in range(60))
    (tmp_path / "t.csv").write_text("n,y\n" + rows)
    found = describe(tmp_path / "t.csv")
    assert (found.task, found.missing) == ("multiclass", ("",))


def test_whole_numbers_with_decimal_commas_are_numbers(describe, tmp_path):
    rows = "".join(f"{1 + row % 3},0;{row},25;{'ab'[row % 2]}\n" for row in range(60))
    (tmp_path / "t.csv").write_text("k;n;y\n" + rows)
    found = describe(tmp_path / "t.csv")
    assert (found.decimal, found.columns) == (",", {"k": "numeric", "n": "numeric"})


def test_a_long_text_behind_an_open_quote_is_named(refused, tmp_path):
    for rows in (50_000, 400_000):
        (tmp_path / "t.csv").write_text('n,y\n1,"' + "1,a\n" * rows)
        told = refused(tmp_path / "t.csv")
        assert told.endswith("a quote is not closed, or a value is longer than 1,048,576 letters")


@pytest.mark.parametrize(("letters", "fits"), [(200_000, True), (2**20, True), (2**20 + 1, False), (5 * 2**20, False)])
@pytest.mark.parametrize("last", [False, True])
def test_a_value_is_as_long_as_it_may_be_in_description_training_and_service(
    letters: int, fits: bool, last: bool, describe: Describe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, lines = tmp_path / "t.csv", [f"{row}.5,{'uvw'[row % 3]},{'pq'[row % 2]}" for row in range(60)]
    path.write_text("\n".join(["n,c,y", *lines]) + "\n")
    found = describe(path)
    lines.insert(len(lines) if last else 0, f"1.5,{'x' * letters},p")
    path.write_text("\n".join(["n,c,y", *lines]) + "\n")
    served = Signature(
        "binary", "y", (Input("n", "number"), Input("c", "string")), "probabilities", ("p", "q"), "q", 0.5
    )
    capsys.readouterr()
    if fits:
        describe(path)
        assert max(map(len, load.table(found, FILES)["c"])) == letters
        assert sum(len(arrays["n"]) for _, arrays, _ in batches(Rows(path), served)) == 61
        return
    with pytest.raises(SystemExit):
        describe(path)
    said = [capsys.readouterr().err]
    for read in (lambda: load.table(found, FILES), lambda: list(batches(Rows(path), served))):
        with pytest.raises(StemmaError) as error:
            read()
        said.append(str(error.value))
    assert all("a quote is not closed, or a " in line and "\n" not in line.strip() for line in said), said


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Größe und Maß, über Köln", "cp1252"),
        ("Иван живёт в Москве, Ольга в Казани", "cp1251"),
        ("東京都 大阪府 京都 名前 山田", "shift_jis"),
        ("北京 上海 姓名 张三 李四", "gb18030"),
    ],
)
def test_an_encoding_is_guessed_by_its_letters(describe, tmp_path, text, encoding, capsys):
    rows = "".join(f"{row}.5,{word},{'ab'[row % 2]}\n" for row in range(40) for word in text.replace(",", "").split())
    (tmp_path / "t.csv").write_bytes(("n,c,y\n" + rows).encode(encoding))
    found = describe(tmp_path / "t.csv")
    assert set(load.table(found, FILES)["c"]) == set(text.replace(",", "").split())
    assert "is a guess" in capsys.readouterr().err


def test_types_that_only_parquet_has_are_described_and_read(describe, tmp_path):
    n = 60
    columns = {
        "nothing": pa.nulls(n),
        "decimal": pa.array([row % 7 for row in range(n)], pa.decimal128(8, 2)),
        "half": pa.array(np.arange(n, dtype=np.float16) / 4),
        "big": pa.array([2**63 + row * row for row in range(n)], pa.uint64()),
        "coded": pa.array([row % 9 for row in range(n)]).dictionary_encode(),
        "clock": pa.array([row for row in range(n)], pa.time32("s")),
        "span": pa.array([row for row in range(n)], pa.duration("s")),
        "bytes": pa.array([b"x"] * n),
        "nested": [{"a": 1}] * n,
        "view": pa.array(["a", "b"] * (n // 2), pa.string_view()),
        "y": pa.array(["p", "q", "q"] * (n // 3), pa.large_string()),
    }
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    found = describe(tmp_path / "t.parquet")
    dropped = {name for name, role in found.columns.items() if role == "drop"}
    assert dropped == {"nothing", "clock", "span", "bytes", "nested"}
    assert found.columns["view"] == "categorical"
    validate.check(load.table(found, FILES), found)


CELLS = st.one_of(
    st.integers(-5, 5).map(str),
    st.floats(-1e6, 1e6, allow_nan=False).map(repr),
    st.sampled_from(
        ["", "NA", "?", "-", "yes", "No", "TRUE", "2024-01-31", "2024-01-31 10:00", "01", "1,5", " x ", "é"]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=5),
)
COLUMN_NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)


TARGETS = st.sampled_from(
    [["no", "yes"], ["a", "b", "c"], ["1", "0", "0"], [f"{n}.5" for n in range(80)], ["", "x", "y"]]
)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Columns that repeat a few values, under any names; the target is the last one."""
    names = draw(st.lists(COLUMN_NAMES, min_size=2, max_size=4, unique_by=lambda name: name.strip()))
    pools = [*(draw(st.lists(CELLS, min_size=1, max_size=6)) for _ in names[1:]), draw(TARGETS)]
    return pd.DataFrame(
        {name: [pool[row % len(pool)] for row in range(80)] for name, pool in zip(names, pools, strict=True)}
    )


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=tables(), separator=st.sampled_from(",;\t|"), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_any_table_that_describe_accepts_is_read_and_its_roles_come_back(project, frame, separator, encoding):
    frame.to_csv("t.csv", index=False, sep=separator, encoding=encoding, quoting=1)
    (project / "conf/data/mine.yaml").unlink(missing_ok=True)
    arguments = ["t.csv", "--target", frame.columns[-1].strip() or f"c{len(frame.columns) - 1}", "--name", "mine"]
    try:
        stemma("describe", *arguments, "--strict", "--force")
    except SystemExit as stopped:
        event("refused")
        assert stopped.code == 1
        assert not (project / "conf/data/mine.yaml").exists()
        return
    found = settings_of(project / "conf/data/mine.yaml")
    assert list(found.columns) == [name.strip() or f"c{place}" for place, name in enumerate(frame)][:-1]
    table = load.table(found, FILES)
    validate.check(table, found)
    assert len(table) == 80
    kept = [name for name in found.columns if role_of(name, found) != "drop"]
    assert list(table) == [*kept, found.target]
    whole_prepare(found)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=200), st.text(st.sampled_from('ab1,;"\n\t |.é'), max_size=60).map(lambda text: text.encode())
    ),
    arguments=st.sampled_from([(), ("--no-header",), ("--separator", " "), ("--encoding", "utf-16")]),
)
def test_a_file_of_any_bytes_is_described_or_refused_in_one_line(project, capsys, content, arguments):
    Path("t.csv").write_bytes(content)
    try:
        stemma("describe", "t.csv", "--target", "a", "--name", "mine", "--force", *arguments)
    except SystemExit as stopped:
        assert stopped.code == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("error: t.csv")


# What stands for no value stands so in its column.


def column_of(texts: list[str], fill: str, rows: int = 60) -> list[str]:
    return [*texts, *(fill.format(number) for number in range(rows - len(texts)))]


def table_of(path: Path, **columns: list[str]) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("marker", ["none", "unknown", "-", "missing"])
def test_a_text_for_no_value_in_one_column_is_a_class_or_a_level_in_another(
    marker: str, describe: Describe, tmp_path: Path
) -> None:
    numbers = column_of([marker, "1.5"], "{}.25")
    classes = [marker if row % 3 == 0 else "mild" if row % 3 == 1 else "severe" for row in range(60)]
    levels = [marker if row % 5 == 0 else "red" for row in range(60)]
    found = describe(table_of(tmp_path / "t.csv", n=numbers, c=levels, y=classes))
    assert found.missing_in == {"n": ("", marker)} and marker not in found.missing
    frame = load.table(found, FILES)
    assert frame["n"].isna().sum() == 1 and frame["c"].tolist() == levels and frame["y"].tolist() == classes
    seen = Path("conf/data/mine.yaml").read_text(encoding="utf-8")
    assert f'"{marker}" 1' in seen  # how often


@pytest.mark.parametrize("name", ["NA", "null", "NaN", "N/A"])
def test_a_class_with_the_name_of_nothing_is_asked_about_and_kept(
    name: str, describe: Describe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = [name if row % 3 == 0 else "EU" if row % 3 == 1 else "ASIA" for row in range(60)]
    numbers = column_of([name], "{}.25")
    found = describe(table_of(tmp_path / "t.csv", n=numbers, y=classes))
    assert (
        f"the target 'y' has {name!r} in 20 rows, taken for a class: if it stands for no value"
        in capsys.readouterr().err
    )
    assert found.task == "multiclass" and found.missing_in == {"y": ("",)} and name in found.missing
    frame = load.table(found, FILES)
    assert frame["y"].tolist() == classes and frame["n"].isna().sum() == 1


@pytest.mark.parametrize("classes", [["0", "1"], ["yes", "no"], ["1.5", "2.5", "3.5"]])
def test_beside_numbers_or_yes_and_no_the_target_has_no_value(
    classes: list[str], describe: Describe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = ["NA", *(classes[row % len(classes)] for row in range(79))]
    found = describe(table_of(tmp_path / "t.csv", n=column_of([], "{}.25", 80), y=values))
    assert found.missing_in == {} and "NA" in found.missing and found.missing_target == "drop"
    assert "the target 'y' has no value in 1 row: `missing_target: drop` leaves them out" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_markers_of_a_column_hold_in_service_too(suffix: str, describe: Describe, tmp_path: Path) -> None:
    columns = {"n": column_of(["none", "1.5"], "{}.25"), "c": column_of(["none"], "red"), "y": ["p", "q"] * 30}
    found = describe(table_of(tmp_path / "t.csv", **columns))
    path = tmp_path / f"rows.{suffix}"
    frame = pd.DataFrame(columns)
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    served = Signature(
        "binary", "y", (Input("n", "number"), Input("c", "string")), "probabilities", ("p", "q"), "q", 0.5,
        found.missing, found.missing_in, by_value=True,
    )  # fmt: skip
    ((_, arrays, _),) = batches(Rows(path), served)
    assert np.isnan(arrays["n"][0, 0]) and arrays["c"][0, 0] == "none"


def test_a_marker_of_a_column_that_is_none_is_named(describe: Describe, tmp_path: Path) -> None:
    found = describe(table_of(tmp_path / "t.csv", n=column_of(["none"], "{}.25"), y=["p", "q"] * 30))
    wrong = found.model_copy(update={"missing_in": {"N": ("none",)}})
    with pytest.raises(DataError, match=r"`missing_in` names 'N', which is no column \(did you mean n\?\)"):
        load.table(wrong, FILES)


@pytest.mark.parametrize(("text", "told"), [(r'"5\" disk"', True), ('"5"" disk"', False), ('5" disk', False)])
def test_a_quote_that_is_not_doubled_is_warned_of(
    text: str, told: bool, describe: Describe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{text if row % 3 else 'cd'},{row}.5,{'pq'[row % 2]}" for row in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["x,n,y", *rows]))
    assert describe(tmp_path / "t.csv").columns["x"] == "categorical"
    assert ("warning: within quotes a quote is doubled" in capsys.readouterr().err) == told


# What may be meant otherwise is warned of.


@pytest.mark.parametrize(
    ("texts", "role", "told"),
    [
        (["950", "1.250", "12.500", "3.125"], "numeric", "holds 950, 1.250, 12.500: a mark, taken for the decimal one"),
        (["950", "1.250", "12.500", "3.125"], "numeric", """between thousands, write thousands: {"x": "."}"""),
        (["1.250", "12.500", "3.125"], "numeric", ""),  # three decimals everywhere
        (["950", "0.250", "12.500"], "numeric", ""),
        (["26.09.2023", "27.09.2023"], "date", "which look like dates, but not as 2024-01-31: 26.09.2023"),
        (["26.09.2023", "27.09.2023"], "date", """they are read by date_format: {"x": "%d.%m.%Y"}"""),
        (
            ["1/2/2023", "3/4/2023", "-"],
            "categorical",
            """"%d/%m/%Y"} or date_format: {"x": "%m/%d/%Y"}, whichever is""",
        ),
        (["94,44", "12,5", "3,1"], "numeric", "which look like numbers, but with a unit or thousands: "),
        (["94,44", "12,5", "3,1"], "numeric", """they are read by decimal_in: {"x": ","}"""),
        (["94,44", "0.0", "3,1"], "numeric", """they are read by decimal_in: {"x": ".,"}"""),
        (["1,234.50", "2.5", "950"], "numeric", """they are read by thousands: {"x": ","}"""),
        (["1,234", "2,500", "950"], "categorical", """thousands: {"x": ","} or decimal_in: {"x": ","}, whichever is"""),
        (["26.09.2023", "27.09.2023", "unknown"], "categorical", """give it the role date and date_format: """),
        (["1'234.50", "2.5", "950"], "numeric", """they are read by thousands: {"x": "'"}"""),
        (["5 %", "12 %", "7 %"], "categorical", "write numbers as 1234.5"),
        (["030 123 456", "040 567 890"], "categorical", """give it the role numeric and thousands: {"x": " "}"""),
        (
            ["Red", "red", "BLUE", "Blue", "blue"],
            "categorical",
            "has 5 levels, 2 but for capital letters (BLUE, Blue, blue): if they",
        ),
        (["20240131", "20191224"], "numeric", """give it the role date and write date_format: {"x": "%Y%m%d"}"""),
        (["20240131", "20241331"], "numeric", ""),
        (["yes", "no", "maybe"], "categorical", ""),
        (["\u22121.5", "2.5", "\u22123.25"], "numeric", ""),
        (["1\u00a0234", "12\u202f345.5", "999"], "numeric", ""),
        (["(1.50)", "2.25", "3.75"], "numeric", ""),
        (["1.50-", "2.25", "3.75"], "numeric", ""),
    ],
)
def test_what_may_be_meant_otherwise_is_warned_of(
    texts: list[str], role: str, told: str, describe: Describe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = [texts[row % len(texts)] for row in range(60)]
    path = tmp_path / "t.csv"
    pd.DataFrame({"x": values, "n": np.arange(60) + 0.5, "y": ["p", "q"] * 30}).to_csv(path, index=False, sep="|")
    found = describe(path)
    assert found.columns["x"] == role
    warned = [line for line in capsys.readouterr().err.splitlines() if "outside the project" not in line]
    assert len(warned) == bool(told) and all("column 'x' " in line and told in line for line in warned), warned
    if role == "numeric":
        assert load.table(found, FILES)["x"].notna().all()


def test_a_line_to_write_is_yaml_whatever_a_column_is_called(
    describe: Describe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame({"on, off": ["A", "a", "B"] * 20, "y": ["p", "q"] * 30}).to_csv(path, index=False)
    describe(path)
    (line,) = re.findall(r"write (fold_case.*)", capsys.readouterr().err)
    assert yaml.safe_load(line) == {"fold_case": ["on, off"]}


@pytest.mark.parametrize(("few", "read"), [("1.124,72", True), ("12.124,5", True), ("12 %", False), ("viel", False)])
@pytest.mark.parametrize("distinct", [200, 21_000])  # all of them are kept, or no more than their ends
def test_a_few_numbers_with_thousands_are_numbers_and_never_no_value(
    few: str, read: bool, distinct: int, describe: Describe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Most amounts are below a thousand."""
    values = [few, *(f"{row % 900},{row % 100:02}5{row}" for row in range(distinct - 1))]
    path = tmp_path / "t.csv"
    classes = [("p", "q")[row % 2] for row in range(distinct)]
    pd.DataFrame({"x": values, "y": classes}).to_csv(path, index=False, sep=";")
    found = describe(path)
    told = capsys.readouterr().err
    assert ('thousands: {"x": "."}' in told) is read
    assert ("name the text in `missing_in`" in told) is not read
    if read and distinct < 20_000:
        assert load.table(found, FILES)["x"].notna().all()


def test_numbers_of_typography_are_read_alike_in_training_and_in_service(describe: Describe, tmp_path: Path) -> None:
    from stemma.values import CONVERTERS, PLAIN

    texts = ["\u22121.5", "1\u00a0234.5", "12\u202f345", "(2.25)", "+3", "-4e1"]
    path = tmp_path / "t.csv"
    pd.DataFrame({"x": [texts[row % 6] for row in range(60)], "y": ["p", "q"] * 30}).to_csv(path, index=False)
    trained = load.table(describe(path), FILES)["x"].tolist()[:6]
    assert trained == [-1.5, 1234.5, 12345, -2.25, 3, -40] == [CONVERTERS["number"](text, PLAIN) for text in texts]


def test_capital_letters_do_not_count_where_settings_say_so(describe: Describe, tmp_path: Path) -> None:
    from stemma.bundle.contents import describe as contract
    from stemma.signature import parse
    from stemma.tables import statistics

    classes = [("No", "no", "yes", "YES")[row % 4] for row in range(60)]
    found = describe(table_of(tmp_path / "t.csv", c=[("Red", "red", "BLUE")[row % 3] for row in range(60)], y=classes))
    folded = found.model_copy(update={"fold_case": ("c", "y"), "task": "binary", "positive": "YES"})
    frame = load.table(folded, FILES)
    assert set(frame["y"]) == {"no", "yes"} and set(frame["c"]) == {"red", "blue"}
    assert statistics.classes(frame["y"], folded) == ["no", "yes"]
    raw = {"missing": [""], **statistics._where_set(folded)}
    about = SimpleNamespace(inputs=[("c", "categorical")], task=task.of("binary", ["no", "yes"]), target="y", raw=raw)
    served = parse(json.dumps(contract(about, 0.5)).encode())
    assert served.arrays({"c": ["RED", "Blue"]})["c"][:, 0].tolist() == ["red", "blue"]
    assert served.spelled("y", "YES") == "yes"


# What a person is told to do, does.
HALVES = [f"{number / 2}" for number in range(60)]


def test_a_header_that_looks_like_data_is_asked_about(describe: Describe, refused: Any, tmp_path: Path) -> None:
    rows = [f"{('f', 'm')[row % 2]},{('Bonn', 'Köln', 'Ulm')[row % 3]}x{row % 2},{row % 5}" for row in range(60)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(row.replace(",", f",{place}.5,", 1) for place, row in enumerate(rows)), encoding="utf-8")
    told = refused(path, "sex")
    assert told.endswith(
        "the first row holds a number: if it is no header, give --no-header, and columns are c0, c1, ..."
    )
    path.write_text("\n".join(row.rpartition(",")[0] for row in rows), encoding="utf-8")
    told = refused(path, "sex")
    assert "the first row holds 'f', and so do others below it: if it is no header, give --no-header" in told
    path.write_text("0,0,a\n" + "1,2,b\n" * 60, encoding="utf-8")
    assert refused(path).endswith("column '0' appears twice: if the first row is no header, give --no-header")


def test_the_remedies_for_small_classes_help(describe: Describe, tmp_path: Path, capsys: Any) -> None:
    classes = [("a", "b", "it's")[row % 2 if row % 12 else 2] if row else "9" for row in range(60)]
    path = table_of(tmp_path / "t.csv", **{"n": HALVES, "the class": classes})
    found = describe(path, "the class")
    told = re.findall(r"(merge: .*?|keep: .*?)(?: or |$)", capsys.readouterr().err, re.MULTILINE)
    assert [line.split(":")[0] for line in told] == ["keep"]  # together they have six rows
    for line in told:
        changed = found.model_copy(update=yaml.safe_load(line))
        assert set(check.check(changed, FILES, False).table["the class"]) == {"a", "b"}
    numbers = describe(table_of(tmp_path / "t.csv", n=HALVES, y=[1, 2, 3, 4, 5, *[3] * 25, *[4] * 30]))
    said = capsys.readouterr().err
    remedies = """write keep: {"enough": "y not in ['1', '2', '5']"} or task: regression"""
    assert numbers.task == "multiclass" and f"prepare refuses that: {remedies}\n" in said


def test_a_merge_that_is_told_of_makes_a_class(describe: Describe, tmp_path: Path, capsys: Any) -> None:
    classes = [("a", "c", "d", "e")[row % 4] if row < 18 else "bf"[row % 2] for row in range(60)]
    found = describe(table_of(tmp_path / "t.csv", n=HALVES, y=classes))
    line = re.search(r"write (merge: .*?) or", capsys.readouterr().err)
    assert line is not None
    changed = found.model_copy(update=yaml.safe_load(line[1]))
    assert set(check.check(changed, FILES, False).table["y"]) == {"b", "f", "other"}


def test_a_large_table_that_git_would_take_is_told_of(repository: Path, capsys: Any) -> None:
    (repository / "t.csv").write_text(PLAIN + "1.00,red,no\n" * 100_000)
    arguments = ["t.csv", "--target", "y", "--name", "mine", "--force"]
    stemma("describe", *arguments)
    told = "t.csv has 1 MB, and Git takes it into the commit of every experiment: --track --force lets DVC keep it"
    assert capsys.readouterr().err == f"warning: {told}\n"
    stemma("describe", *arguments, "--track")
    assert "t.csv has 1 MB, and Git takes it into the commit of every experiment: remove it" in capsys.readouterr().err
    (repository / "t.csv").unlink()
    stemma("describe", "data/raw/t.csv", *arguments[1:])
    assert capsys.readouterr().err == ""


def test_the_package_tells_of_the_table_unless_the_project_was_made_for_it(
    describe: Describe, project: Path, tmp_path: Path
) -> None:
    path = table_of(tmp_path / "t.csv", n=HALVES, c=["a"] * 60, y=[*"pq"] * 30)
    told = {"name": "mine", "description": "Predicts y from 1 column of t.csv."}
    assert describe(path).package == told
    (project / "conf/config.yaml").write_text("defaults: [_self_, {data: mine}]\n", encoding="utf-8")
    assert describe(path).package == told
    (project / "conf/data/mine.yaml").unlink()
    assert describe(path).package == {}
