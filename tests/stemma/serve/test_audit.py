"""The log of admin actions: what was changed, left out, put between or cut off is found."""

import multiprocessing
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from stemma.errors import StemmaError
from stemma.serve import audit
from timing import HANGS


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "logs" / "audit.jsonl"
    for number in range(4):
        audit.append(file, action="switch", who="anne", version=number)
    return file


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines(keepends=True)


def test_a_log_that_nobody_touched_is_good(log: Path) -> None:
    found = audit.check(log)
    assert found.lines == 4
    audit.append(log, action="drain", who="bob")
    assert audit.check(log, holds=found.last).lines == 5


TOUCHED: dict[str, tuple[Callable[[list[str]], list[str]], int]] = {
    "changed": (lambda said: [said[0], said[1].replace("anne", "eve"), *said[2:]], 3),
    "left out": (lambda said: [said[0], *said[2:]], 2),
    "the first left out": (lambda said: said[1:], 1),
    "put between": (lambda said: [said[0], said[0], *said[1:]], 2),
    "in another order": (lambda said: [said[0], said[2], said[1], said[3]], 2),
    "no JSON": (lambda said: [*said, "[\n"], 5),
    "nested": (lambda said: [*said, "[" * 100_000 + "\n"], 5),
}


@pytest.mark.parametrize("how", TOUCHED)
def test_the_line_that_does_not_fit_is_named(log: Path, how: str) -> None:
    touch, number = TOUCHED[how]
    log.write_text("".join(touch(lines(log))))
    with pytest.raises(StemmaError, match=f"line {number} is not what followed"):
        audit.check(log)


def test_lines_that_were_cut_off_are_found_by_the_hash_that_was_kept(log: Path) -> None:
    last = audit.check(log).last
    log.write_text("".join(lines(log)[:-1]))
    assert audit.check(log).lines == 3
    with pytest.raises(StemmaError, match=re.escape(last)):
        audit.check(log, holds=last)


def test_a_line_that_a_kill_cut_short_is_named_and_what_follows_fits(log: Path) -> None:
    with log.open("a") as file:
        file.write('{"action": "swi')
    audit.append(log, action="drain")
    assert len(lines(log)) == 6
    with pytest.raises(StemmaError, match="line 5 is"):
        audit.check(log)


def write(log: Path) -> None:
    for number in range(20):
        audit.append(log, action="load", number=number)


def test_workers_that_write_at_once_keep_the_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "WAIT", HANGS)
    workers = [multiprocessing.get_context("fork").Process(target=write, args=(tmp_path / "log",)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert audit.check(tmp_path / "log").lines == 60


def test_what_cannot_be_written_down_is_an_error(small_disk: Path) -> None:
    (small_disk / "filled").write_bytes(bytes(61_440))
    with pytest.raises(OSError, match="No space left"):
        for _ in range(100):
            audit.append(small_disk / "log", action="load", reason="x" * 200)


def test_the_command_says_the_last_hash_or_the_line_that_does_not_fit(
    log: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    last = audit.check(log).last
    code, told, _ = run(log.parent, "service", "audit", log.name, "--holds", last)
    assert (code, f"4 lines, each follows the one before; the last is {last}" in told) == (0, True)
    log.write_text("".join(lines(log)[1:]))
    code, _, told = run(log.parent, "service", "audit", log.name)
    assert (code, "line 1 is not what followed" in told) == (1, True)
