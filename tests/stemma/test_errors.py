"""One line, exit code 1, or the whole trace when it is asked for."""

import signal
from pathlib import Path

import pytest

from stemma.errors import (
    ENDING,
    INTERRUPTS,
    BundleError,
    MissingExtra,
    StemmaError,
    interrupts_held,
    one_line,
    told_by_system,
)
from stemma.files import replaced


def test_an_error_says_what_and_the_next_command() -> None:
    assert str(StemmaError("models/weights is not there", run="dvc checkout")) == (
        "models/weights is not there: run `dvc checkout`"
    )
    assert 'pip install -c requirements.lock -e ".[tensorflow]"' in str(MissingExtra("tensorflow", "tensorflow"))


def test_what_a_stranger_makes_long_is_cut_in_the_middle_and_the_command_stays() -> None:
    error = StemmaError(f"a is {'n' * 10_000} and not b\nc", run="mend " + "it " * 500)
    first, second = str(error).split("\n", 1)
    assert len(first) < 700 and first.startswith("a is nnn") and first.endswith("n and not b")
    assert second == f"c: run `mend {'it ' * 500}`"
    assert str(BundleError(error.what)) == error.what
    assert len(told_by_system(OSError(36, "File name too long", "n" * 10_000))) < 700


def test_an_error_is_one_line_on_stderr_and_exit_code_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STEMMA_DEBUG", raising=False)
    with pytest.raises(SystemExit) as stopped, one_line():
        raise StemmaError("a is wrong")
    assert stopped.value.code == 1
    assert capsys.readouterr() == ("", "error: a is wrong\n")


def test_debug_shows_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StemmaError), one_line(debug=True):
        raise StemmaError("a is wrong")
    monkeypatch.setenv("STEMMA_DEBUG", "1")
    with pytest.raises(StemmaError), one_line():
        raise StemmaError("a is wrong")


def test_an_interrupt_is_one_line_and_exit_code_130(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped, one_line():
        raise KeyboardInterrupt
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "error: interrupted\n"


@pytest.mark.parametrize(("number", "code"), [(each, 128 + each) for each in ENDING])
def test_what_ends_a_process_is_an_interrupt_with_an_exit_code_of_its_own(
    number: signal.Signals, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as stopped, one_line(), replaced(tmp_path / "file") as partial:
        partial.touch()
        signal.raise_signal(number)
    assert stopped.value.code == code
    assert capsys.readouterr().err == "error: interrupted\n"
    assert not [*tmp_path.iterdir()] and signal.getsignal(number) == before


@pytest.mark.parametrize("number", ENDING)
def test_what_somebody_else_heeds_is_left_to_him(number: signal.Signals) -> None:
    came: list[int] = []
    before = signal.signal(number, lambda number, _: came.append(number))
    try:
        with one_line():
            signal.raise_signal(number)
        signal.raise_signal(number)
    finally:
        signal.signal(number, before)
    assert came == [number, number]


@pytest.mark.parametrize("number", ENDING)
def test_what_is_ignored_by_the_end_stays_ignored(number: signal.Signals) -> None:
    """As by a stage that has passed, while Python ends."""
    before = signal.getsignal(number)
    try:
        with one_line():
            signal.signal(number, signal.SIG_IGN)
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", INTERRUPTS)
def test_an_interrupt_that_is_held_comes_when_the_block_is_done(number: signal.Signals) -> None:
    done = False
    with pytest.raises(SystemExit) as stopped, one_line():
        with interrupts_held(INTERRUPTS):
            signal.raise_signal(number)
            done = True
        done = False
    assert done and stopped.value.code == 128 + number


def test_other_exceptions_pass() -> None:
    with pytest.raises(ZeroDivisionError), one_line():
        raise ZeroDivisionError
