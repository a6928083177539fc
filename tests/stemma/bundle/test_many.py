"""The tables of a folder or a bucket: each once, whole or not at all."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from pyarrow import parquet

from bundles import contents, graph
from processes import is_gone, spawned
from s3 import SECRET, Server
from stemma import bundle, cli
from stemma.bundle import many
from stemma.bundle.model import Bundle
from stemma.bundle.predict import predict
from stemma.errors import BundleError, StemmaError
from stemma.repo import places, stores
from stemma.runners import Died, Runner, chosen
from stemma.runners.local import Local
from timing import until

HEAD = "Month,PageValues,Weekend,id\n"
TABLE = f"{HEAD}May,0.5,yes,1\nNov,3,F,2\n"


class Here(Local):
    """In this process, one job after the other; before each something may happen, which tells how its process died."""

    def __init__(self, before: Callable[[Sequence[str]], Any] = lambda _: None) -> None:
        super().__init__()
        self.before = before

    def cores(self) -> int:
        return 1

    def stream(self, work: Any, jobs: Any, at_once: int) -> Any:
        for number, (name, (tables,)) in enumerate(jobs):
            if death := self.before(tables):
                yield number, Died(name, death)
            else:
                yield number, work(tables)


@pytest.fixture(scope="module")
def opened(model: Path) -> Bundle:
    """Trusted: it runs in this process."""
    return bundle.open_bundle(model, trusted=True)


@pytest.fixture
def other(tmp_path: Path) -> Bundle:
    """Another network, with the same signature."""
    changed = graph().replace(b"quarter", b"QUARTER")
    bundle.build(tmp_path / "other.zip", {**contents(), "model.onnx": changed})
    return bundle.open_bundle(tmp_path / "other.zip", trusted=True)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    folder = tmp_path / "rows"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.csv", "sub/b.csv", "c.CSV"):
        (folder / name).write_text(TABLE, encoding="utf-8")
    return folder


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "predictions"


def asked(rows: object, output: object, *keep: str, again: bool = False, at: Any = stores.at) -> many.Many:
    return many.Many(str(rows), str(output), at, bundle.Rows(Path(), keep=keep), again)


def run(opened: Bundle, rows: object, output: object, runner: Runner | None = None, **how: Any) -> None:
    many.predict(opened, asked(rows, output, **how), runner or Here())


def written(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Of each file its time and its bytes."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


def failed(capsys: pytest.CaptureFixture[str], *arguments: Any, **how: Any) -> str:
    with pytest.raises(BundleError) as error:
        run(*arguments, **how)
    return capsys.readouterr().err + str(error.value)


def test_every_table_below_is_predicted_as_it_would_be_alone(opened: Bundle, rows: Path, output: Path) -> None:
    shutil.copyfile(rows / "a.csv", rows / "ä b.txt")
    many.predict(opened, asked(rows, output, "id"), Here())
    assert [*written(output)] == ["a.parquet", "c.parquet", "sub/b.parquet", "ä b.parquet"]
    predict(opened, bundle.Rows(rows / "a.csv", keep=("id",)), output.parent / "alone.parquet")
    for path in output.rglob("*.parquet"):
        assert parquet.read_table(path).equals(parquet.read_table(output.parent / "alone.parquet"))


def test_predictions_tell_what_they_were_made_with(opened: Bundle, rows: Path, output: Path) -> None:
    many.predict(opened, asked(rows, output, "id"), Here())
    told = parquet.read_metadata(output / "a.parquet").metadata
    assert told[b"stemma.table"].startswith(b"sha256 ") and len(told[b"stemma.bundle"]) == 64
    assert (told[b"stemma.keep"], told[b"stemma.reading"]) == (b'["id"]', b"[null, null, null]")


def test_the_same_once_more_does_what_is_left(opened: Bundle, rows: Path, output: Path, capsys: Any) -> None:
    run(opened, rows, output)
    before = written(output)
    (output / "sub/b.parquet").unlink()
    capsys.readouterr()
    run(opened, rows, output)
    assert "2 rows of 1 table in " in (err := capsys.readouterr().err) and "; 2 tables were predicted before" in err
    after = written(output)
    assert {name for name in before if before[name] != after[name]} == {"sub/b.parquet"}
    assert before["sub/b.parquet"][1] == after["sub/b.parquet"][1]
    run(opened, rows, output)
    assert capsys.readouterr().err == "3 tables were predicted before\n"


@pytest.mark.parametrize("change", ["table", "bundle", "keep", "reading"])
def test_predictions_made_with_another_are_refused_by_name_and_made_anew_when_asked(
    change: str, opened: Bundle, other: Bundle, rows: Path, output: Path, capsys: Any
) -> None:
    run(opened, rows, output)
    before = written(output)
    keep = ("id",) if change == "keep" else ()
    reading = bundle.Rows(Path(), ",", keep=keep) if change == "reading" else bundle.Rows(Path(), keep=keep)
    now = many.Many(str(rows), str(output), stores.at, reading)
    if change == "table":
        (rows / "a.csv").write_text(TABLE.replace("May", "Nov"), encoding="utf-8")
    with pytest.raises(BundleError, match=r"[13] of 3 tables (is|are) not predicted: a.csv"):
        many.predict(other if change == "bundle" else opened, now, Here())
    assert (
        f"a.csv: its predictions were made with another {change} (--again: make them anew)" in capsys.readouterr().err
    )
    assert written(output) == before
    many.predict(
        other if change == "bundle" else opened, many.Many(now.source, now.target, now.place, reading, True), Here()
    )
    kept = {"c.parquet", "sub/b.parquet"} if change == "table" else set()
    assert {name for name, found in written(output).items() if found == before[name]} == kept


@pytest.mark.parametrize("content", [b"", b"mine", "parquet"])
def test_a_file_that_holds_no_predictions_of_ours_is_never_written_over(
    content: Any, opened: Bundle, rows: Path, output: Path, capsys: Any
) -> None:
    if content == "parquet":
        predict(opened, bundle.Rows(rows / "a.csv"), output / "a.parquet")
    else:
        output.mkdir()
        (output / "a.parquet").write_bytes(content)
    before = (output / "a.parquet").read_bytes()
    for again in (False, True):
        assert "a.csv: what has the name of its predictions" in failed(capsys, opened, rows, output, again=again)
    assert (output / "a.parquet").read_bytes() == before and (output / "c.parquet").is_file()


def test_two_tables_for_one_name_are_both_named_and_the_others_predicted(
    opened: Bundle, rows: Path, output: Path, capsys: Any
) -> None:
    shutil.copyfile(rows / "a.csv", rows / "a.txt")
    told = failed(capsys, opened, rows, output)
    assert "a.csv: a.csv, a.txt would all be a.parquet: rename all but one\n" in told
    assert "2 of 4 tables are not predicted: a.csv, a.txt" in told
    assert [*written(output)] == ["c.parquet", "sub/b.parquet"]


def test_a_name_that_no_file_can_have_is_told_before_anything_is_read() -> None:
    names = ["/b.csv", "a//b.csv", "a\nb.csv", "b.csv"]
    wanted, done = many._planned(names)
    assert wanted == ["b.csv"] and [each.name for each in done] == names[:3]
    assert all("rename" in str(each.fault) for each in done)


def test_a_table_that_vanishes_is_named_and_the_others_predicted(
    opened: Bundle, rows: Path, output: Path, capsys: Any
) -> None:
    gone = Here(lambda names: (rows / "a.csv").unlink() if "a.csv" in names else None)
    assert "a.csv: it is not there any more\n" in failed(capsys, opened, rows, output, gone)
    assert [*written(output)] == ["c.parquet", "sub/b.parquet"]


class Watched(places.Folder):
    """Something happens when a table is about to be read."""

    happens: Callable[[str], object]

    @contextmanager
    def local(self, key: str, above: Path) -> Any:
        self.happens(key)
        yield self.root / key


def watched(happens: Callable[[str], object]) -> Callable[[str, str], places.Place]:
    def at(url: str, name: str) -> places.Place:
        place = Watched(Path(url), name)
        place.happens = happens
        return place

    return at


def test_a_table_that_changes_while_it_is_read_is_named(opened: Bundle, rows: Path, output: Path, capsys: Any) -> None:
    at = watched(lambda name: name == "a.csv" and (rows / name).write_text(HEAD))
    assert "a.csv: it changed while it was read: run this again\n" in failed(capsys, opened, rows, output, at=at)
    assert [*written(output)] == ["c.parquet", "sub/b.parquet"]


@pytest.mark.parametrize("again", [False, True])
def test_of_two_runs_at_once_one_writes_and_the_other_says_so(
    again: bool, opened: Bundle, other: Bundle, rows: Path, output: Path, capsys: Any
) -> None:
    if again:
        run(other, rows, output)
    at = watched(lambda name: name == "a.csv" and run(opened, rows, output, again=again))
    told = failed(capsys, opened, rows, output, at=at, again=again)
    assert (
        "a.csv: another run has written it meanwhile: run this again\n" in told
        and "1 of 3 tables is not predicted" in told
    )
    run(opened, rows, output)


def test_in_the_last_moment_too_what_is_new_takes_nobodys_place(rows: Path, output: Path) -> None:
    place = places.Folder(output, "predictions")
    place.put("a", rows / "a.csv", new=True)
    with pytest.raises(StemmaError, match="another run has written it meanwhile"):
        place.put("a", rows / "sub/b.csv", new=True)
    assert [*written(output)] == ["a"] and (output / "a").stat().st_nlink == 1


def test_a_header_alone_and_one_row_more_than_a_block_are_tables_and_an_empty_file_is_none(
    opened: Bundle, rows: Path, output: Path, capsys: Any
) -> None:
    (rows / "a.csv").write_text(HEAD, encoding="utf-8")
    (rows / "c.CSV").write_text(HEAD + "May,0.5,yes,1\n" * (bundle.BATCH + 1), encoding="utf-8")
    (rows / "sub/b.csv").write_bytes(b"")
    told = failed(capsys, opened, rows, output)
    assert "sub/b.csv: is empty: its first line must name the columns\n" in told
    assert [parquet.read_metadata(output / name).num_rows for name in written(output)] == [0, bundle.BATCH + 1]


def test_hidden_files_are_passed_over_and_what_is_no_table_is_told(
    opened: Bundle, rows: Path, output: Path, capsys: Any
) -> None:
    for name in ("_SUCCESS", ".x.csv", "_temporary/0/d.csv", ".git/d.csv", "d.csv.crc", "notes.md"):
        (rows / name).parent.mkdir(parents=True, exist_ok=True)
        (rows / name).write_text(TABLE, encoding="utf-8")
    run(opened, rows, output)
    assert [*written(output)] == ["a.parquet", "c.parquet", "sub/b.parquet"]
    assert "no table by its name, and left out: d.csv.crc, notes.md\n" in capsys.readouterr().err


def test_a_link_to_a_file_is_that_file_and_a_link_to_a_folder_is_not_followed(
    opened: Bundle, rows: Path, output: Path, capsys: Any
) -> None:
    (rows.parent / "elsewhere.csv").write_text(TABLE, encoding="utf-8")
    (rows / "d.csv").symlink_to(rows.parent / "elsewhere.csv")
    (rows / "round").symlink_to(rows)
    (rows / "broken.csv").symlink_to("nowhere")
    os.mkfifo(rows / "pipe.csv")
    told = failed(capsys, opened, rows, output)
    assert [*written(output)] == ["a.parquet", "c.parquet", "d.parquet", "sub/b.parquet"]
    assert "left out: round\n" in told and "broken.csv: it is not there any more\n" in told
    assert "pipe.csv: rows (" in told and "it is no plain file" in told


def test_a_folder_without_tables_and_folders_within_one_another_are_one_line(
    opened: Bundle, rows: Path, output: Path
) -> None:
    output.mkdir()
    with pytest.raises(BundleError, match="holds no table: names of tables end in"):
        run(opened, output, rows)
    for inside in (rows, rows / "sub", rows.parent):
        with pytest.raises(BundleError, match="lie within one another"):
            run(opened, rows, inside)
    assert len(written(rows)) == 3


def test_a_node_that_does_not_see_the_folder_says_so(opened: Bundle, rows: Path, output: Path) -> None:
    with pytest.raises(BundleError, match=r"does not see .*rows: every node needs the same folder there"):
        run(opened, rows, output, Here(lambda _: rows.rename(rows.parent / "elsewhere") and None))


def test_predictions_that_a_node_has_to_itself_are_none(opened: Bundle, rows: Path, output: Path, capsys: Any) -> None:
    class Elsewhere(Here):
        def stream(self, *arguments: Any) -> Any:
            yield from super().stream(*arguments)
            (output / "a.parquet").rename(rows.parent / "elsewhere")

    told = failed(capsys, opened, rows, output, Elsewhere())
    assert f"a.csv: its predictions are not in {output}: every node needs the same folder there\n" in told
    assert "4 rows of 2 tables" in told and "1 of 3 tables is not predicted: a.csv" in told


def test_tables_of_a_process_that_died_are_tried_one_by_one(
    opened: Bundle, rows: Path, output: Path, capsys: Any
) -> None:
    def dies(names: Sequence[str]) -> str | None:
        return "was killed by signal 9" if "a.csv" in names else None

    for number in range(6):
        shutil.copyfile(rows / "a.csv", rows / f"d{number}.csv")
    told = failed(capsys, opened, rows, output, Here(dies))
    assert "a.csv, d2.csv, sub/b.csv: its process was killed by signal 9: they are tried one by one\n" in told
    assert "\na.csv: its process was killed by signal 9\n" in told
    assert told.endswith("1 of 9 tables is not predicted: a.csv") and len(written(output)) == 8


# A bucket.


def test_from_bucket_to_bucket_and_on_again(
    opened: Bundle, rows: Path, s3: Server, monkeypatch: Any, capsys: Any
) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(rows, s3.bucket("tables") / "in")
    source, target = "s3://tables/in", "s3://tables/out/"
    run(opened, source, target)
    out = s3.folder / "tables/out"
    assert [*(before := written(out))] == ["a.parquet", "c.parquet", "sub/b.parquet"]
    tables = stores.at(source, "rows")  # the server does not see what changes behind it
    stores.at(target, "predictions").delete("c.parquet")
    (rows / "a.csv").write_text(TABLE.replace("May", "Nov"), encoding="utf-8")
    (rows / "sub/b.csv").write_text(f"{HEAD}x,y,z,1\n", encoding="utf-8")
    for name in ("a.csv", "sub/b.csv"):
        tables.put(name, rows / name)
    told = failed(capsys, opened, source, target, again=True)
    assert "sub/b.csv: column 'PageValues', row 1: 'y' is not a finite number\n" in told
    after = written(out)
    assert after["c.parquet"][1] == before["c.parquet"][1] and after["sub/b.parquet"] == before["sub/b.parquet"]
    assert after["a.parquet"][1] != before["a.parquet"][1]
    assert parquet.read_metadata(out / "a.parquet").metadata[b"stemma.table"].startswith(b"etag ")


def test_a_bucket_that_refuses_or_is_not_there_is_one_line_without_a_secret(
    model: Path, rows: Path, s3: Server, monkeypatch: Any, capsys: Any
) -> None:
    for name, value in (s3.environment | {"AWS_SECRET_ACCESS_KEY": "another-secret"}).items():
        monkeypatch.setenv(name, value)
    for source, says in (("s3://tables/in", "(403)"), ("s3://KEY:another-secret@tables", "is no bucket")):
        monkeypatch.setattr(sys, "argv", ["stemma", "bundle", "predict", str(model), source, "--output", "out"])
        with pytest.raises(SystemExit):
            cli.main()
        told = capsys.readouterr()
        assert says in told.err and "another-secret" not in told.out + told.err and SECRET not in told.err
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(StemmaError, match="there is no such bucket"):
        run(bundle.open_bundle(model), "s3://nowhere-at-all/in", rows.parent / "out")


# Processes.


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "stemma.cli", "bundle", "predict", *map(str, arguments)]


NEVER_DONE = """
import time
from stemma import cli
from stemma.bundle import many

write = many.write_parquet
def stays(run, path, metadata):
    write(run, path, metadata)
    while run.rows.path.name == "d1.csv":  # the last of them: however late the kill is, not all are there
        time.sleep(1)
many.write_parquet = stays
if __name__ == "__main__":
    cli.main()
"""


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_whole_files_and_goes_on(
    model: Path, rows: Path, output: Path, tmp_path: Path
) -> None:
    (tmp_path / "never.py").write_text(NEVER_DONE, encoding="utf-8")
    for number in range(3):
        (rows / f"d{number}.csv").write_text(HEAD + "May,0.5,yes,1\n" * 30_000, encoding="utf-8")
    arguments = command(model, rows, "--output", output, "--jobs", 1)
    process = subprocess.Popen([sys.executable, tmp_path / "never.py", *arguments[3:]], stderr=subprocess.PIPE)
    until(lambda: any(output.rglob("d*.parquet")) or process.poll() is not None)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    until(lambda: all(is_gone(each.pid) for each in workers))
    before = {name: found for name, found in written(output).items() if not name.startswith(".")}
    assert 0 < len(before) < 6
    assert all(parquet.read_table(output / name).num_rows in (2, 30_000) for name in before)
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    after = {name: found for name, found in written(output).items() if not name.startswith(".")}
    assert len(after) == 6 and {name: after[name] for name in before} == before


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_no_table(model: Path, rows: Path, output: Path, capsys: Any) -> None:
    def kill() -> None:
        while not (started := spawned(os.getpid())):
            time.sleep(0.01)
        started[0].kill()

    threading.Thread(target=kill, daemon=True).start()
    for name in ("d.csv", "e.csv"):
        shutil.copyfile(rows / "a.csv", rows / name)
    with chosen("local") as runner:
        many.predict(bundle.open_bundle(model), asked(rows, output), runner, 1)
    assert len(written(output)) == 5 and "its process was killed by signal 9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["a.csv", "--jobs", "2"], "no folder"),
        ([".", "--jobs", "0", "--output", "x"], "--jobs"),
        (["."], "--output"),
        ([".", "--output", __file__], "need a folder"),
        ([".", "--output", "x", "--address", "head:6379"], "goes with --runner ray"),
        ([".", "--output", "x", "--runner", "ray", "--address", "ray://head"], "HOST:PORT"),
        (["gs://bucket", "--output", "x"], "is no bucket"),
        ([".", "--output", "x", "--runner", "nope"], "--runner"),
    ],
)
def test_wrong_usage_exits_with_2(more: list[str], says: str, model: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["stemma", "bundle", "predict", str(model), *more])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert exit.value.code == 2 and says in capsys.readouterr().err


def test_an_early_end_leaves_nothing_of_the_processes_that_it_kills(
    opened: Bundle, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(Here):
        def stream(self, work: Any, jobs: Any, at_once: int) -> Any:
            (work.args[0].near / "begun").write_text("by a process that was killed")
            raise KeyboardInterrupt
            yield

    left = tmp_path / "temporary"
    left.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(left))
    with pytest.raises(KeyboardInterrupt):
        many.predict(opened, asked(rows, tmp_path / "predictions"), Interrupted())
    assert list(left.iterdir()) == []
