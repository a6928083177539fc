"""The graph of versions: what is a version, where it came from, what changed, and how it is drawn."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stemma
import timing
from stemma.errors import VersionError
from stemma.versions import graph
from stemma.versions.log import Log
from version_worlds import METRICS, PARAMS, TRAINING, Parts, World, changed, new, parts, table, write

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Git and DVC, no version yet."""
    return new(tmp_path / "world")


def subjects(found: Log) -> list[str]:
    return [entry.subject for entry in found]


# What is a version.


def test_only_commits_whose_model_changed_are_versions(three_versions: World) -> None:
    assert subjects(stemma.log(three_versions.folder)) == ["more rows", "only a bias moved", "first model"]


def test_a_subject_may_hold_what_python_takes_for_a_line_end(world: World) -> None:
    world.version("one\u2028two\x85three", parts())
    assert subjects(stemma.log(world.folder)) == ["one\u2028two\x85three"]


def test_all_adds_branches_and_experiments(three_versions: World) -> None:
    found = {entry.subject: entry for entry in stemma.log(three_versions.folder, all=True)}
    assert set(found) == {"more rows", "only a bias moved", "first model", "one more layer", "an experiment"}
    assert found["an experiment"].parents == (found["more rows"].commit,)
    assert found["one more layer"].parents == (found["only a bias moved"].commit,)
    assert found["only a bias moved"].parents == (found["first model"].commit,)
    assert found["first model"].parents == ()


def test_names_and_stages_go_to_the_version_that_a_commit_carries(three_versions: World) -> None:
    found = {entry.subject: entry for entry in stemma.log(three_versions.folder, all=True)}
    assert found["more rows"].names == ("HEAD", "main")  # they are on the page after it
    assert found["only a bias moved"].names == ("model@v1.1.0",)
    assert found["only a bias moved"].stages == ("model#prod",)
    assert found["first model"].stages == ()
    assert found["one more layer"].name == "wider" and found["an experiment"].name == "calm-otter"


def test_the_letters_say_what_changed_against_the_parent(three_versions: World) -> None:
    found = {entry.subject: entry.changed for entry in stemma.log(three_versions.folder, all=True)}
    assert found == {
        "first model": None,
        "only a bias moved": "PT",
        "one more layer": "SPT",
        "more rows": "PDC",
        "an experiment": "PT",
    }


def test_each_letter_alone(world: World) -> None:
    one = parts()
    world.version("start", one)
    layers = [*one.layers[:-1], type(one.layers[-1])("probability", "softmax", {})]
    world.version("S", one.but(layers=layers))
    one = one.but(layers=layers)
    world.version("P", one.but(tensors=changed(one.tensors, "output.bias")))
    assert [entry.changed for entry in stemma.log(world.folder)] == ["P", "S", None]


def test_what_is_not_on_this_machine_is_said_to_be_unknown(three_versions: World, tmp_path: Path) -> None:
    world = three_versions.copy(tmp_path / "world")
    world.empty_cache()
    (world.remote / "files").rename(world.remote / "gone")
    found = {entry.subject: entry.changed for entry in stemma.log(world.folder)}
    assert found == {"first model": None, "only a bias moved": "spT", "more rows": "spDC"}
    told = "s p: not known, for models/weights is not on this machine"
    assert told in world.ok("stemma", "log") and told not in three_versions.ok("stemma", "log")


def two_lines(world: World) -> Parts:
    """A version, and another one on each of two branches; the first one's parts."""
    one = parts()
    world.version("base", one)
    world.ok("git", "checkout", "-qb", "side")
    world.version("on the side", one.but(tensors=changed(one.tensors, "output.bias")))
    world.ok("git", "checkout", "-q", "main")
    world.version("on main", one.but(tensors=changed(one.tensors, "hidden_1.bias")))
    return one


def test_a_merge_of_two_retrained_lines_has_two_parents(world: World) -> None:
    one = two_lines(world)
    world.ok("git", "merge", "-q", "--no-commit", "-s", "ours", "side")
    world.version("merged and trained again", one.but(tensors=changed(one.tensors, "hidden_2.bias")))
    found = stemma.log(world.folder)
    by_subject = {entry.subject: entry for entry in found}
    merged = by_subject["merged and trained again"]
    assert merged.parents == (by_subject["on main"].commit, by_subject["on the side"].commit)
    drawn = [line for line, _ in graph.text([(entry.commit, entry.parents) for entry in found])]
    assert "".join(drawn) in ("*|\\* || *|/*", "*|\\| ** ||/*")


def test_a_merge_that_keeps_one_model_is_no_version_but_both_lines_lead_on(world: World) -> None:
    one = two_lines(world)
    world.ok("git", "merge", "-q", "-s", "ours", "-m", "merge", "side")
    world.version("after", one.but(tensors=changed(one.tensors, "hidden_2.bias")))
    found = {entry.subject: entry for entry in stemma.log(world.folder)}
    assert "merge" not in found
    assert found["after"].parents == (found["on main"].commit, found["on the side"].commit)


def test_going_back_to_a_model_is_a_version_that_says_so(world: World) -> None:
    one = parts()
    first = world.version("first", one)
    world.version("second", one.but(tensors=changed(one.tensors, "output.bias")))
    world.version("back", one)
    found = stemma.log(world.folder)
    assert subjects(found) == ["back", "second", "first"]
    assert [entry.same_as for entry in found] == [first, None, None]


def test_the_same_weights_with_another_threshold_are_a_version_of_its_own(world: World) -> None:
    one = parts()
    first = world.version("first", one)
    world.version("another threshold", one.but(metrics=METRICS | {"threshold": 0.1}))
    world.version("another figure", one.but(metrics=METRICS | {"threshold": 0.1, "test": {"accuracy": 0.6}}))
    world.write("notes.md", "A page.\n")
    world.commit("a page")
    found = stemma.log(world.folder)
    assert subjects(found) == ["another threshold", "first"]
    assert [(entry.same_as, entry.names) for entry in found] == [(first, ("HEAD", "main")), (None, ())]


def test_an_experiment_is_called_by_its_commit_where_others_have_its_name(world: World) -> None:
    one = parts()
    world.version("first", one)
    made = {}
    for number, name in enumerate(["lr", "wide", "kept"], start=1):
        bias = one.but(tensors=changed(one.tensors, "output.bias", by=number))
        made[name] = world.experiment(name, f"the first {name}", bias)
    world.git("branch", "kept", made["kept"])  # it is that experiment
    world.git("branch", "wide")  # it is not
    world.commit("a page")
    again = world.experiment("lr", "lr again", one.but(tensors=changed(one.tensors, "output.bias", by=4)))
    found = {entry.commit: entry for entry in stemma.log(world.folder, all=True)}
    assert [found[commit].name for commit in (made["lr"], again, made["wide"], made["kept"])] == [
        made["lr"][:7], again[:7], made["wide"][:7], "kept",
    ]  # fmt: skip
    assert found[again].names == (again[:7], "lr") and found[made["kept"]].names == ("kept",)


def test_a_model_that_was_taken_out_and_put_back_is_followed(world: World) -> None:
    one = parts()
    world.version("first", one)
    (world.folder / "dvc.lock").unlink()
    world.commit("no model")
    world.version("again", one)
    found = stemma.log(world.folder)
    assert subjects(found) == ["again", "first"]
    assert found.entries[0].parents == (found.entries[1].commit,)


def test_a_version_trained_from_another_names_it(world: World) -> None:
    one = parts()
    base = world.version("base", one)
    world.write("notes.md", "a page\n")
    page = world.commit("a page")
    world.ok("git", "checkout", "-q", "--orphan", "other")
    given = TRAINING | {name: {"revision": "main", "commit": page} for name in ("init_from", "teacher")}
    world.version("tuned", one.but(tensors=changed(one.tensors, "output.bias"), training=given))
    found = {entry.subject: entry for entry in stemma.log(world.folder, all=True)}
    assert (found["tuned"].trained_from, found["tuned"].parents) == (base, ())
    assert (found["tuned"].taught_by, found["base"].taught_by) == (base, None)
    alone = stemma.log(world.folder)
    assert [entry.trained_from for entry in alone] == [page]  # main is not in this history


def test_a_damaged_dvc_lock_in_the_past_is_noted_and_the_rest_is_shown(world: World) -> None:
    one = parts()
    world.version("first", one)
    world.write("dvc.lock", "<<<<<<< HEAD\n")
    broken = world.commit("a merge gone wrong")
    world.version("second", one.but(tensors=changed(one.tensors, "output.bias")))
    found = stemma.log(world.folder)
    assert subjects(found) == ["second", "first"]
    assert len(found.notes) == 1 and found.notes[0].startswith(f"dvc.lock of {broken[:7]} cannot be read")


def test_a_shallow_clone_shows_what_it_has(three_versions: World, tmp_path: Path) -> None:
    three_versions.ok("git", "clone", "-q", "--depth", "2", three_versions.folder.as_uri(), str(tmp_path / "clone"))
    found = stemma.log(tmp_path / "clone")
    assert subjects(found) == ["more rows"]
    assert found.entries[0].parents == ()


def test_no_commit_and_no_version_are_told(tmp_path: Path, world: World, run: Run) -> None:
    (tmp_path / "empty" / ".dvc").mkdir(parents=True)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path / "empty", check=True)
    with pytest.raises(VersionError, match="there is no commit yet: run `git commit`"):
        stemma.log(tmp_path / "empty")
    assert stemma.log(world.folder) == Log(None, (), ())
    assert run(world, "log")[:2] == (0, "no version: a version is a commit whose dvc.lock names models/weights\n")


# Metrics, dates, number.


def test_the_metric_and_its_move(three_versions: World) -> None:
    found = stemma.log(three_versions.folder)
    assert found.metric == "test.roc_auc"
    assert [entry.metric for entry in found] == [0.84, 0.87, 0.85]
    assert [entry.move for entry in found] == [None, pytest.approx(0.02), None]  # "more rows" has another table


def otherwise_judged(world: World) -> list[str]:
    """Versions of the same network, each by other data settings; their subjects, the oldest first."""
    one = parts()
    split = PARAMS | {"data": PARAMS["data"] | {"split": PARAMS["data"]["split"] | {"seed": 1}}}
    widths = PARAMS | {"prepare": {"rare": 10}}  # the same rows, in other columns
    made = {"first": {}, "encoded": {"params": widths}, "split": {"params": split}, "table": {"frame": table(500)}}
    for number, (name, change) in enumerate(made.items()):
        write(world, one.but(tensors=changed(one.tensors, "output.bias", by=number), **change))
        world.write("data/prepared/encoder.onnx", name)
        world.keep(name)
    return [*made]


def test_figures_move_only_between_versions_that_were_judged_on_the_same(world: World, run: Run) -> None:
    subjects = otherwise_judged(world)
    found = {entry.subject: entry for entry in stemma.log(world.folder)}
    assert [name for name in subjects if found[name].move is not None] == ["encoded"]
    assert found["first"].judged == found["encoded"].judged
    assert len({found[name].judged for name in subjects}) == 3
    out = run(world, "log", "--md")[1].splitlines()
    assert [line.split(" | ")[6] for line in out[2:6]] == ["A", "B", "C", "C"]
    assert [line[:8] for line in out if line.startswith("judged ")] == ["judged A", "judged B", "judged C"]


def test_the_target_is_told_though_the_prepared_data_is_out_of_reach(world: World) -> None:
    otherwise_judged(world)
    world.empty_cache()
    shutil.rmtree(world.remote)
    told = {str(entry.judged).partition(", table ")[0] for entry in stemma.log(world.folder)}
    assert told == {"bought (binary) = yes"}


@pytest.mark.parametrize(
    ("asked", "full"), [("log_loss", "test.log_loss"), ("validation.roc_auc", "validation.roc_auc"), ("threshold",) * 2]
)
def test_another_metric_can_be_asked_for(three_versions: World, asked: str, full: str) -> None:
    found = stemma.log(three_versions.folder, metric=asked)
    assert found.metric == full and all(entry.metric is not None for entry in found)


def test_an_unknown_metric_tells_the_nearest(three_versions: World) -> None:
    with pytest.raises(VersionError, match=r"'acuracy' \(did you mean accuracy\?\): there are accuracy, log_loss, roc"):
        stemma.log(three_versions.folder, metric="acuracy")


@pytest.mark.parametrize(
    ("evaluation", "metric"),
    [
        ({"main": "f1"}, "test.f1"),
        ({"main": "not measured"}, "test.balanced_accuracy"),
        (None, "test.balanced_accuracy"),
        ({"main": ["f1"]}, "test.balanced_accuracy"),
    ],
)
def test_the_metric_is_what_the_newest_version_was_judged_by(world: World, evaluation: Any, metric: str) -> None:
    one = parts(metrics={"test": {"roc_auc": 1.0}})
    world.version("first", one)
    figures = {"accuracy": 0.5, "balanced_accuracy": 0.5, "f1": 0.5, "rmse": 1.0}
    tensors = changed(one.tensors, "output.bias")
    world.version("second", one.but(tensors=tensors, metrics={"test": figures}, evaluation=evaluation))
    assert stemma.log(world.folder).metric == metric


def test_without_a_main_figure_there_is_no_metric(world: World) -> None:
    world.version("first", parts(metrics={"test": {"odd": 0.5}}, evaluation=None))
    assert stemma.log(world.folder).metric is None


def test_versions_without_metrics_are_shown_without(world: World, run: Run) -> None:
    one = parts(metrics=None)
    world.version("first", one)
    world.version("second", one.but(tensors=changed(one.tensors, "output.bias"), metrics=METRICS))
    assert [(entry.metric, entry.move) for entry in stemma.log(world.folder)] == [(0.85, None), (None, None)]
    assert run(world, "log")[0] == 0


def test_number_and_since_cut_the_oldest_and_keep_what_changed(three_versions: World) -> None:
    found = stemma.log(three_versions.folder, number=1)
    assert [(entry.subject, entry.changed) for entry in found] == [("more rows", "PDC")]
    assert subjects(stemma.log(three_versions.folder, since="2026-01-01T02:30:00Z")) == [
        "more rows",
        "only a bias moved",
    ]
    assert subjects(stemma.log(three_versions.folder, since="2026-06-01", all=True)) == []
    assert subjects(stemma.log(three_versions.folder, number=0)) == []


@pytest.mark.parametrize("date", ["nonsense", "now", ""])
def test_a_date_that_git_takes_for_now_is_refused(date: str, three_versions: World) -> None:
    with pytest.raises(VersionError, match=r"is no date in the past that Git knows: write one as 2026-01-31"):
        stemma.log(three_versions.folder, since=date)


# Drawings.


def drawn(*nodes: str) -> list[str]:
    """Nodes as "name: parent parent"."""
    split = [node.split(":") for node in nodes]
    return [
        f"{line} {name or ''}".rstrip() for line, name in graph.text([(name, rest.split()) for name, rest in split])
    ]


def test_a_line_of_versions() -> None:
    assert drawn("c: b", "b: a", "a:") == ["* c", "* b", "* a"]


def test_a_branch_and_its_merge() -> None:
    assert drawn("d: b c", "c: a", "b: a", "a:") == ["* d", "|\\", "| * c", "* | b", "|/", "* a"]


def test_branches_beside_each_other_are_joined_at_their_root() -> None:
    assert drawn("d: a", "c: a", "b: a", "a:") == ["* d", "| * c", "|/", "| * b", "|/", "* a"]


def test_an_edge_crosses_the_columns_between() -> None:
    expected = ["* e", "|\\", "* | d", "| | * f", "|_|/", "* | c", "| * b", "|/", "* a"]
    assert drawn("e: d b", "d: c", "f: c", "c: a", "b: a", "a:") == expected


def test_a_merge_of_a_line_that_is_already_drawn() -> None:
    assert drawn("d: c", "x: b c", "c: a", "b: a", "a:") == ["* d", "| * x", "|/|", "* | c", "| * b", "|/", "* a"]


def test_three_parents_and_parents_that_are_not_shown() -> None:
    assert drawn("m: a b c", "a: z", "b: z", "c: z") == ["* m", "|\\", "|_|\\", "* | | a", "  * | b", "    * c"]
    assert drawn("b: a") == ["* b"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(1, 6), max_size=3, unique=True), min_size=1, max_size=12))
def test_every_edge_of_any_graph_can_be_followed_by_eye(steps: list[list[int]]) -> None:
    names = [str(place) for place in range(len(steps))]
    nodes = [
        (names[place], [names[place + step] for step in own if place + step < len(names)])
        for place, own in enumerate(steps)
    ]
    assert followed(graph.text(nodes)) == {name: set(parents) for name, parents in nodes}


def followed(lines: list[tuple[str, str | None]]) -> dict[str, set[str]]:
    """The parents of each node, found by walking down the drawing as an eye does."""
    found: dict[str, set[str]] = {}
    lanes: dict[int, set[str]] = {}  # place in the line -> nodes whose edges run there
    last = ""
    for line, name in lines:
        padded = line.ljust(100)
        if name is not None:
            column = line.index("*")
            for child in lanes.pop(column, set()):
                found[child].add(name)
            lanes = {place: nodes for place, nodes in lanes.items() if padded[place] == "|"}
            found[name], lanes[column], last = set(), {name}, name
            continue
        mark = max(padded.find("/"), padded.find("\\"))
        far = padded.find("_") if "_" in padded else mark
        start, end = (mark + 1, far - 1) if padded[mark] == "/" else (far - 1, mark + 1)
        moved = {last} if padded[start] == "|" else lanes.pop(start)
        lanes[end] = lanes.get(end, set()) | moved
    return found


def test_mermaid_and_dot_name_every_version_and_edge(three_versions: World, run: Run) -> None:
    entries = {entry.subject: f"v{entry.commit[:12]}" for entry in stemma.log(three_versions.folder, all=True)}
    code, mermaid, _ = run(three_versions, "log", "--all", "--graph", "mermaid")
    assert code == 0 and mermaid.startswith("flowchart TD\n") and mermaid.count("-->") == 4
    assert f"{entries['first model']} --> {entries['only a bias moved']}" in mermaid
    code, dot, _ = run(three_versions, "log", "--all", "--graph", "dot")
    assert code == 0 and dot.startswith("digraph") and dot.count("->") == 4
    assert all(name in mermaid and name in dot for name in entries.values())


def test_quotes_and_lineage_in_drawings(world: World) -> None:
    one = parts()
    base = world.version('the "first"', one)
    world.git("tag", "-a", 'a"b', "-m", "x")
    given = TRAINING | {"init_from": {"revision": "main", "commit": base}}
    tuned = world.version("tuned", one.but(tensors=changed(one.tensors, "output.bias"), training=given))
    found = stemma.log(world.folder)
    mermaid = graph.mermaid(found, lambda entry: [entry.name])
    assert f"v{base[:12]} -. weights .-> v{tuned[:12]}" in mermaid and 'a#quot;b"]' in mermaid
    dot = graph.dot(found, lambda entry: [entry.name])
    assert f"v{base[:12]} -> v{tuned[:12]} [style=dashed, label=weights];" in dot and '[label="a\\"b"]' in dot


# The command.


def test_the_command_prints_a_line_per_version_and_the_legend(three_versions: World, run: Run) -> None:
    code, out, err = run(three_versions, "log", "--all")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert lines[0].split()[:6] == ["revision", "date", "author", "changed", "test.roc_auc", "move"]
    assert [line[:3] for line in lines[1:7]] == ["*  ", "*  ", "| *", "|/", "*  ", "*  "]
    assert [cell.strip() for cell in lines[5].split("  ")[-2:]] == ["model@v1.1.0, model#prod", "only a bias moved"]
    assert "+0.0200" in lines[5] and " PT " in lines[5] and "A Person" in lines[5] and "2026-01-01" in lines[5]
    assert {line[:8] for line in lines[-3:-1]} == {"judged A", "judged B"}
    assert lines[-1].startswith("changed: S structure, P parameters, D data, T settings, C code")


def test_the_command_speaks_json_and_markdown(three_versions: World, run: Run) -> None:
    code, out, _ = run(three_versions, "log", "--json")
    content = json.loads(out)
    assert code == 0 and [entry["changed"] for entry in content["entries"]] == ["PDC", "PT", None]
    assert content["entries"][0]["date"] == "2026-01-01T05:00:00+00:00"
    code, out, _ = run(three_versions, "log", "--md", "--graph", "mermaid")
    assert code == 0 and out.startswith("```mermaid\nflowchart") and "| revision | date" in out


def test_errors_and_usage(three_versions: World, run: Run) -> None:
    code, out, err = run(three_versions, "log", "--metric", "nope")
    assert (code, out) == (1, "") and err.startswith("error: no version has a metric 'nope'") and err.count("\n") == 1
    assert run(three_versions, "log", "--graph", "svg")[0] == 2
    code, out, _ = run(three_versions, "log", "--help")
    assert code == 0 and "Example: stemma log" in " ".join(out.split())


def test_days_are_those_of_utc_wherever_a_version_was_made_and_whatever_time_it_is(world: World) -> None:
    """For Git, `--since 2020-11-28` begins at the time of day that it is now."""
    when = "2020-11-28T01:30:00+05:30"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        world.version("one", parts())
        world.ok("git", "commit", "-q", "--amend", "--no-edit", "--date", when)
        assert [f"{each.date:%Y-%m-%d %H:%M}" for each in stemma.log(world.folder)] == ["2020-11-27 20:00"]
        shown = [
            subjects(stemma.log(world.folder, since=day)) for day in ("2020-11-27", "2020-11-28", "2020-11-27T20:00Z")
        ]
    assert shown == [["one"], [], ["one"]]
    assert subjects(stemma.log(world.folder, since=f"{datetime.now(UTC):%Y-%m-%d}")) == []


def test_no_version_since_a_date_is_told_as_that(three_versions: World, run: Run) -> None:
    assert run(three_versions, "log", "--since", "2026-06-01")[:2] == (0, "no version: none since 2026-06-01\n")
    assert run(three_versions, "log", "-n", "0")[0] == 2


def test_a_version_is_called_by_a_name_that_stays(three_versions: World) -> None:
    newest = stemma.log(three_versions.folder).entries[0]
    assert newest.names[0] == "HEAD" and newest.name != "HEAD" and newest.name in newest.names


def test_an_index_of_another_form_makes_the_letters_unknown(world: World) -> None:
    world.version("first", parts())
    lock, made = (world.folder / "dvc.lock").read_text(), world.md5("models/weights")
    for index in (b"[]", b"{}", b'{"tensors": [1]}', b'{"tensors": [{"name": "a"}]}'):
        md5 = hashlib.md5(index, usedforsecurity=False).hexdigest()
        listing = json.dumps([{"md5": md5, "relpath": "index.json"}]).encode()
        folder = f"{hashlib.md5(listing, usedforsecurity=False).hexdigest()}.dir"
        for name, content in ((md5, index), (folder, listing)):
            world.object(name).parent.mkdir(parents=True, exist_ok=True)
            world.object(name).write_bytes(content)
        world.write("dvc.lock", lock.replace(made, folder))
        world.commit("another form")
    assert [entry.changed for entry in stemma.log(world.folder)] == ["sp", "sp", "sp", "sp", None]


# Speed.


@pytest.mark.slow
def test_a_thousand_commits_take_less_than_two_seconds(tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "bench"))
    try:
        import many_commits
    finally:
        sys.path.pop(0)
    many_commits.build(tmp_path / "many")
    printed: list[bytes] = []

    def log() -> float:
        before = children_times()
        command = [sys.executable, "-m", "stemma.cli", "log", "--all"]
        done = subprocess.run(command, cwd=tmp_path / "many", capture_output=True, check=True)
        printed.append(done.stdout)
        return children_times() - before

    assert timing.best(log, below=2) < 2
    assert printed[0].count(b"\n*") + printed[0].count(b" *") >= 300


def children_times() -> float:
    """Processor seconds of all processes that ended and were waited for, Git's too."""
    times = os.times()
    return times.children_user + times.children_system


def test_settings_of_the_world_are_not_shared() -> None:
    assert PARAMS["train"]["epochs"] == 40
