"""Awkward tables all the way: described, trained on, packaged, and the raw file predicted by the bundle.

Those that stop with one line are in tests/stemma/describe/test_describe.py. Stages run in this process, one table
after the other in one project: a process for each stage of each table would take minutes.
"""

import csv
import io
import json
import re
import zipfile
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from awkward import TABLES, Awkward
from purchase_intent.sources import SOURCES
from purchase_intent.stages import compress, evaluate, export, package, prepare, train
from stemma import bundle, conf
from unprepared import TABLES as UNPREPARED
from worlds import Project, fresh_project, stemma

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("torch")]

STAGES: tuple[ModuleType, ...] = (prepare, train, compress, evaluate, export, package)
QUICK = ("model=torch_linear", "train.epochs=2", "evaluate.bootstrap=0", "prepare.rare=2", "prepare.embed=8")
# One of each trouble that the encoder, the signature or a report could stumble over.
CHOSEN = (
    "no header", "UTF-16 with a byte order mark", "decimal commas", "spaces around names and values",
    "quotes around everything, separators and line ends inside", "only texts", "Parquet with types of every kind",
    "classes that are numbers", "an amount with decimal commas",
)  # fmt: skip
JOINED = (  # a column's trouble: all of these in one table
    "blanks, question marks and NA", "texts that all differ", "times with and without a zone", "one value or none",
    "a column named 'the \"best\"'", "a column named '${data.target}'", "a column named 'new\\nline'",
)  # fmt: skip


def joined() -> Awkward:
    """The columns of several tables side by side; a name that is there already gets a number."""
    columns: dict[str, list[str]] = {}
    for table in (table for table in TABLES if table.name in JOINED):
        names, *rows = csv.reader(io.StringIO(table.content.decode()))
        for name, values in zip(names, map(list, zip(*rows, strict=True)), strict=True):
            if name not in columns or values not in columns.values():
                columns[name if name not in columns else f"{name} {len(columns)}"] = values
    columns["y"] = columns.pop("y")
    told = io.StringIO()
    csv.writer(told).writerows([columns, *zip(*columns.values(), strict=True)])
    return Awkward("all columns", told.getvalue().encode())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return fresh_project(tmp_path_factory.mktemp("awkward") / "project")


RUN = [*(table for table in TABLES if table.name in CHOSEN), joined()]


@pytest.mark.parametrize("table", RUN, ids=lambda table: table.name)
def test_an_awkward_table_runs_to_the_bundle_which_predicts_its_raw_rows(
    table: Awkward, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    file = table.write(project.folder / "data" / "raw")
    stemma("describe", str(file), "--target", table.target, "--name", "awkward", "--force", *table.arguments)
    conf.sync(project.folder, ["data=awkward", *QUICK])
    for stage in STAGES:
        stage.main()
    with zipfile.ZipFile("models/package/model.zip") as package_:
        assert package_.read("README.md").startswith(f"# awkward\n\nPredicts {table.target} from ".encode())
    kept = pd.read_parquet("reports/predictions.parquet")
    served = served_rows(table, file)
    assert len(served) >= len(kept)
    column = (
        next(name for name in kept if name.startswith("probability_")) if table.task != "regression" else "predicted"
    )
    there = [float(served[row][column if table.task != "regression" else "prediction"]) for row in kept["row"]]
    assert there == pytest.approx(kept[column].tolist(), rel=1e-4, abs=1e-4)


def test_columns_that_settings_alone_can_read_run_to_the_bundle_which_reads_them_so(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    numbers = [number * 37 % 20 for number in range(120)]  # every row six times
    rows = [f"{number}.234,5;{number + 1:02}.09.2023;{'pq'[number % 3 == 0]}" for number in numbers]
    table = Awkward("settings", ("price;when;y\n" + "\n".join(rows)).encode())
    file = table.write(project.folder / "data" / "raw")
    stemma("describe", str(file), "--target", "y", "--name", "awkward", "--force")
    text = (project.folder / "conf/data/awkward.yaml").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^  (?:price|when): (\S+)", text) == ['"."', '"%d.%m.%Y"', "numeric", "date"]
    found = []
    for group, stages in (("null", STAGES[:4]), ("duplicates", STAGES)):
        conf.sync(project.folder, ["data=awkward", f"data.group={group}", *QUICK])
        for stage in stages:
            stage.main()
        found.append(json.loads(Path("reports/evaluation.json").read_text()))
    assert (
        found[0]["repeated"]["rows"] == found[0]["data"]["splits"]["test"] and "same features" in found[0]["hints"][0]
    )
    assert "repeated" not in found[1] and "hints" not in found[1]
    kept = pd.read_parquet("reports/predictions.parquet")
    output = file.with_suffix(".predictions.csv")
    bundle.main(["predict", "models/package/model.zip", str(file), "--separator", ";", "--output", str(output)])
    column = next(name for name in kept if name.startswith("probability_"))
    served = pd.read_csv(output)[column]
    assert served[kept["row"]].tolist() == pytest.approx(kept[column].tolist(), rel=1e-4, abs=1e-4)
    assert served.nunique() > 2
    bundle.main(["verify", "models/package/model.zip"])  # plays the sample, whose dates are written so


def test_rows_are_kept_and_a_logarithm_is_learned_and_all_is_served_in_the_targets_own_units(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    houses, path = UNPREPARED["houses"], project.folder / "conf/data/awkward.yaml"
    file = houses.write(project.folder / "data/raw")
    stemma("describe", str(file), "--target", houses.target, "--name", "awkward", "--force")
    more = "transform_target: log\nkeep: {large: GrLivArea >= 100, sold: SalePrice < 300_000}\n"
    path.write_text(houses.edited(path.read_text(encoding="utf-8")) + more, encoding="utf-8")
    conf.sync(project.folder, ["data=awkward", *QUICK])
    for stage in STAGES:
        stage.main()
    kept, raw = pd.read_parquet("reports/predictions.parquet"), pd.read_csv(file, thousands=",")
    large = raw["GrLivArea"] >= 100
    left_out = {"large": (~large).sum(), "sold": (large & (raw["SalePrice"] >= 300_000)).sum()}
    assert json.loads(Path("data/prepared/profile.json").read_text())["left_out"] == left_out
    assert kept["actual"].tolist() == raw["SalePrice"][kept["row"]].tolist()
    figure = json.loads(Path("reports/metrics.json").read_text())["test"]["rmse"]
    assert figure == pytest.approx(((kept["actual"] - kept["predicted"]) ** 2).mean() ** 0.5)
    output = file.with_suffix(".predictions.csv")
    bundle.main(["predict", "models/package/model.zip", str(file), "--output", str(output)])
    served = pd.read_csv(output)["prediction"]
    assert len(served) == len(raw) and (served > 0).all()  # rows that were left out are answered
    assert served[kept["row"]].tolist() == pytest.approx(kept["predicted"].tolist(), rel=1e-5)
    with zipfile.ZipFile("models/package/model.zip") as package_:
        card = package_.read("README.md").decode()
    assert "`SalePrice < 300_000` (sold)" in card and f"{left_out['large']} rows by `large`" in card


def served_rows(table: Awkward, file: Path) -> list[dict[str, str]]:
    """What `stemma.bundle predict` says of every row of the raw table."""
    raw = file
    if table.ending == "parquet" or any(option in table.arguments for option in ("--no-header",)):
        from purchase_intent import settings as config
        from stemma.tables import load

        raw = file.with_suffix(".raw.csv")
        load.table(config.load().data, SOURCES).to_csv(raw, index=False)
    output = file.with_suffix(".predictions.csv")
    arguments = ["predict", "models/package/model.zip", str(plain(raw)), "--output", str(output)]
    if "decimal commas" in table.name:
        arguments += ["--separator", ";", "--decimal", ","]
    bundle.main(arguments)
    return list(csv.DictReader(io.StringIO(output.read_text(encoding="utf-8"))))


def plain(file: Path) -> Path:
    """In UTF-8, which is what a bundle takes."""
    content = file.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        file = file.with_suffix(".utf8.csv")
        file.write_text(content.decode("utf-16"), encoding="utf-8")
    return file


def test_every_chosen_table_is_in_the_corpus() -> None:
    assert {*CHOSEN, *JOINED} <= {table.name for table in TABLES if table.runs}
