"""`stemma explain`: a bundle, or a version, on the whole or by rows; as text, JSON, or a page."""

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from typer.testing import CliRunner, Result

import hostile
from bundles import MULTICLASS, REGRESSION, ROWS, SIGNATURE, contents
from judged import packaged
from stemma import bundle
from stemma.bundle.explain import Subject, explained
from stemma.bundle.limits import Limits
from stemma.cli.words import app
from stemma.errors import BundleError
from version_worlds import new, parts

BACKGROUND = {name: [*values, *values] for name, values in ROWS.items()}
NAMES = ("shap", "linear", "permutation", "dependence", "surrogate", "counterfactual")


def packed(path: Path, signature: Any = SIGNATURE, background: Any = BACKGROUND, **graph_of: Any) -> Path:
    told = {} if background is None else {"background.json": json.dumps({"format": 1, "inputs": background}).encode()}
    bundle.build(path, contents(signature, **graph_of) | told)
    return path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(tmp_path_factory.mktemp("explained") / "shop.zip")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    lines = [",".join(ROWS), *(",".join(row) for row in zip(*ROWS.values(), strict=True))]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "rows.csv"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["explain", *map(str, arguments)])


def told(*arguments: object) -> Any:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)["explanations"]


def refused(*arguments: object) -> str:
    done = run(*arguments)
    assert done.exit_code != 0 and done.exception is not None and done.stdout == ""
    return str(done.exception)


def test_the_whole_is_told_without_rows_and_each_row_with_them(shop: Path, rows: Path) -> None:
    (whole,) = told(shop)
    assert (whole["method"], whole["rows"], whole["background"], whole["reasons"]) == ("shap", 8, 8, [])
    assert {each["column"] for each in whole["effects"]} == {"Month", "PageValues", "Weekend"}
    (by_rows,) = told(shop, rows, "--rows", 3)
    assert [one["row"] for one in by_rows["reasons"]] == [1, 2, 3]
    predicted = bundle.open_bundle(shop).predict({name: values[:3] for name, values in ROWS.items()})[:, 1]
    for one, answer in zip(by_rows["reasons"], predicted.tolist(), strict=True):
        assert one["answer"] == pytest.approx(answer)
        assert one["base"] + sum(each["effect"] for each in one["effects"]) == pytest.approx(answer, abs=1e-6)


@pytest.mark.parametrize(("signature", "graph_of"), [
    (MULTICLASS, {"width": 3}), (REGRESSION, {"output": "prediction", "width": 1})])  # fmt: skip
def test_every_method_explains_every_task(tmp_path: Path, rows: Path, signature: Any, graph_of: Any) -> None:
    shop = packed(tmp_path / "m.zip", signature, **graph_of)
    found = told(shop, rows, *(word for name in NAMES for word in ("--method", name)))
    assert [each["method"] for each in found] == [*NAMES]
    assert all(each["rows"] == 4 for each in found)


def test_apart_or_not_the_same_is_found(shop: Path, rows: Path) -> None:
    whole = Subject(bundle.Rows(rows))
    here, there = (explained(bundle.open_bundle(shop, each), NAMES, whole) for each in (True, False))
    assert json.loads(json.dumps(here)) == there


def test_text_tells_columns_rules_and_changes(shop: Path, rows: Path) -> None:
    done = run(shop, rows, "--method", "shap", "--method", "counterfactual", "--method", "surrogate", "--keep", "Month")
    assert done.exit_code == 0, done.output
    assert "Row 1: TRUE 0.9241, on average " in done.stdout and "PageValues = 0.5" in done.stdout
    assert "Rules that say nearly the same:" in done.stdout and "Month:" not in done.stdout


NASTY = "<script>alert(1)</script>"


def nasty(path: Path) -> Path:
    """The same with a column and a target that are markup."""
    inputs = [each for each in SIGNATURE["inputs"] if each["name"] != "Weekend"] + [{"name": NASTY, "type": "boolean"}]
    files = contents({**SIGNATURE, "inputs": inputs, "target": "<b>"})
    graph = onnx.load_from_string(files["model.onnx"])
    graph.graph.input[2].name = NASTY
    for node in graph.graph.node:
        node.input[:] = [NASTY if name == "Weekend" else name for name in node.input]
    background = {name.replace("Weekend", NASTY): values for name, values in BACKGROUND.items()}
    files["background.json"] = json.dumps({"format": 1, "inputs": background}).encode()
    bundle.build(path, files | {"model.onnx": graph.SerializeToString(deterministic=True)})
    return path


def test_a_page_has_pictures_and_obeys_no_stranger(tmp_path: Path, rows: Path) -> None:
    rows.write_text(rows.read_text().replace("Weekend", NASTY).replace("Xyz", "<i>"))
    page, methods = tmp_path / "why.html", [word for name in NAMES for word in ("--method", name)]
    done = run(nasty(tmp_path / "m.zip"), rows, "--html", page, *methods)
    assert done.exit_code == 0, (done.output, done.exception)
    text = page.read_text()
    assert text.count("<svg ") == text.count("<figure") > 10
    assert not any(mark in text for mark in ("<script", "<i>", "<b>")) and "&lt;script&gt;" in text


def test_a_version_without_rows_in_its_bundle_is_compared_with_its_training_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = new(tmp_path / "shop")
    made = packaged(tmp_path / "m.zip", "binary", 1.0, inputs=("price", "visits"))
    world.version("first", parts(bundle=made))
    monkeypatch.chdir(world.folder)
    (found,) = told("HEAD")
    assert found["background"] == 200 and found["effects"][0]["effect"] > 0
    assert "nowhere" in refused("nowhere")


def test_what_cannot_be_explained_is_one_line(shop: Path, rows: Path, tmp_path: Path) -> None:
    bare = packed(tmp_path / "bare.zip", background=None)
    hint = "the bundle holds no rows to explain answers against: give some by --background, or make it with"
    assert refused(bare).startswith(hint)
    assert told(bare, "--background", rows)[0]["background"] == 4
    assert refused(shop, "--method", "shapp").startswith("no explanation is named 'shapp' (did you mean shap?)")
    assert refused(shop, tmp_path / "no.csv") == f"{tmp_path / 'no.csv'} is not there"
    assert refused(shop, "--class", "x").startswith("the network has no output 'x'")
    assert refused(shop, "--keep", "Mont").startswith("the network has no column 'Mont' (did you mean Month?)")
    assert refused(shop, rows, "--html", rows) == f"{rows} holds the rows: name another file"
    rows.write_text("Month,PageValues,Weekend\n")
    assert refused(shop, rows) == "there are no rows to explain"
    rows.write_text("Month,Weekend\nMay,yes\n")
    assert refused(shop, rows) == f"{rows}: the rows lack the column 'PageValues'"


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ([1], "background.json is damaged"),
        ({"Month": ["May"]}, "the rows lack the columns 'PageValues', 'Weekend'"),
        (BACKGROUND | {"PageValues": ["x"] * 8}, "column 'PageValues', row 1: 'x' is not a finite number"),
    ],
)
def test_rows_of_a_stranger_that_cannot_be_read_are_told_as_the_bundle_s_and_replaced(
    tmp_path: Path, rows: Path, inputs: Any, why: str
) -> None:
    files = contents() | {"background.json": json.dumps({"format": 1, "inputs": inputs}).encode()}
    bundle.build(tmp_path / "m.zip", files)
    fault = refused(tmp_path / "m.zip")
    assert fault.startswith(f"the bundle's own rows cannot be read ({why}") and fault.endswith("give others")
    assert told(tmp_path / "m.zip", "--background", rows)[0]["background"] == 4


@pytest.mark.parametrize("wrong", [("--seed", 2**32), ("--seed", -1), ("--rows", 0)])
def test_numbers_out_of_their_range_are_wrong_usage(shop: Path, rows: Path, wrong: tuple[str, int]) -> None:
    assert run(shop, rows, "--method", "surrogate", *wrong).exit_code == 2


def test_how_a_table_is_written_goes_with_a_table(shop: Path, rows: Path, tmp_path: Path) -> None:
    written = tmp_path / "written.csv"
    written.write_text(rows.read_text().replace(",", ";"))
    assert told(shop, written, "--separator", ";") == told(shop, rows)
    for option in (("--separator", ";"), ("--decimal", ","), ("--encoding", "latin-1")):
        assert run(shop, *option).exit_code == 2


def test_a_stranger_s_graph_is_looked_at_and_limited(tmp_path: Path) -> None:
    background = {"background.json": json.dumps({"format": 1, "inputs": {"PageValues": [1.0, 2.0]}}).encode()}
    for graph, why in (
        (hostile.computed_turns(), "has a loop without an end"),
        (hostile.slow(), "takes more than 1 s"),
    ):
        files = bundle.open_bundle(hostile.packed(tmp_path / "m.zip", graph)).files
        bundle.build(tmp_path / "n.zip", {n: data for n, data in files.items() if n != "manifest.json"} | background)
        with pytest.raises(BundleError, match=why):
            explained(bundle.open_bundle(tmp_path / "n.zip"), ["shap"], Subject(count=1), limits=Limits(1, 2**31))
