"""`stemma compare` and `stemma.versions.compare` on revisions of a repository."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import stemma
from judged import three_commits
from stemma.versions.compare import Options
from version_worlds import World

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three commits: worse, better, and elsewhere, judged on other rows. The files lie in Git: no cache is needed."""
    return three_commits(tmp_path_factory.mktemp("judged") / "repository")


@pytest.fixture
def run(run: Run, repository: Path) -> Run:
    """`stemma compare ARGUMENT...`: exit code, stdout, stderr."""
    return lambda *arguments: run(World(repository), "compare", *arguments)


def test_the_verdict_comes_first_and_then_what_it_rests_on(run: Run) -> None:
    code, out, _ = run("worse", "better", "--by", "Month", "--cost", "fp=1,fn=5")
    assert code == 0 and out.startswith("better is better than worse: roc_auc 0.")
    for expected in ("metric ", "cost ", "95 % interval", "DeLong: p < 0.0001", "McNemar: p", "Month = May", "(Holm)"):
        assert expected in out
    assert "latency of worse is not known" in out and "the number of parameters of better is not known" in out


@pytest.mark.parametrize(
    ("a", "b", "require", "code"),
    [
        ("worse", "better", ["better"], 0),
        ("better", "worse", ["better"], 1),
        ("worse", "worse", ["better"], 1),
        ("worse", "worse", ["not-worse"], 0),
        ("better", "worse", ["not-worse"], 1),
        ("better", "worse", ["not-worse", "--margin", "0.9"], 0),
        ("better", "worse", ["not-worse", "--margin", "0.01"], 1),
        ("worse", "better", ["not-worse", "--margin", "0"], 0),
    ],
)
def test_require_sets_the_exit_code(run: Run, a: str, b: str, require: list[str], code: int) -> None:
    found, out, err = run(a, b, "--no-latency", "--resamples", "500", "--require", *require)
    assert (found, err) == (code, "") and out


def test_without_require_a_worse_version_exits_0(run: Run) -> None:
    assert run("better", "worse", "--no-latency", "--resamples", "500")[0] == 0


def test_json_holds_every_figure_and_the_verdict(run: Run, repository: Path) -> None:
    code, out, _ = run("worse", "better", "--json", "--no-latency")
    found = stemma.compare(repository, "worse", "better", Options(latency=False))
    told = json.loads(out)
    assert code == 0
    assert told["verdict"] == found.verdict == "better"
    assert told["sentence"] == found.sentence
    assert told["differences"]["roc_auc"]["low"] == found.main.low


def test_markdown_has_tables(run: Run) -> None:
    _, out, _ = run("worse", "better", "--md", "--no-latency", "--resamples", "500")
    assert "| metric " in out and "| ---" in out


def test_other_test_rows_are_refused_with_the_command(run: Run) -> None:
    code, out, err = run("worse", "elsewhere")
    assert (code, out) == (1, "")
    assert err == (
        "error: worse and elsewhere were judged on different test rows (the data are not the same): "
        "run `stemma compare worse elsewhere --on DATA.csv`\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--cost", "fp=1"],
        ["--cost", "fp=1,fn=x"],
        ["--cost", "fp=1,fn=-5"],
        ["--cost", "fp=1,fn=nan"],
        ["--margin", "0.1"],
        ["--require", "better", "--margin", "0.1"],
        ["--require", "not-worse", "--margin", "nan"],
        ["--require", "best"],
        ["--resamples", "10"],
    ],
)
def test_wrong_usage_exits_2(run: Run, arguments: list[str]) -> None:
    assert run("worse", "better", *arguments)[0] == 2


def test_an_unknown_revision_is_one_line(run: Run) -> None:
    code, out, err = run("worse", "beter")
    assert (code, out) == (1, "") and err.count("\n") == 1 and "better" in err
