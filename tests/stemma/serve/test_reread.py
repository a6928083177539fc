"""What a server reads again: a file that changes, and one that was of no use yet."""

from pathlib import Path

import pytest

from stemma.errors import SettingsError
from stemma.serve.reread import AGAIN, Reread


def test_what_could_not_be_used_is_tried_again_though_its_file_does_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file, now, valid_from = tmp_path / "server.crt", 1000.0, 1000.0 + 1.5 * AGAIN
    file.write_text("old")
    monkeypatch.setattr("time.monotonic", lambda: now)

    def read() -> str:
        text = file.read_text()
        if text == "new" and now < valid_from:
            raise SettingsError("it is not yet valid")
        return text

    held = Reread("certificate", [str(file)], read, lambda text: {"is": text})
    file.write_text("new")
    for seconds, is_new in ((0, False), (1, False), (AGAIN, False), (2 * AGAIN - 1, False), (2 * AGAIN, True)):
        now = 1000.0 + seconds
        assert held.renewed() == is_new and held.now == ("new" if is_new else "old")
    assert not held.renewed()
    assert capfd.readouterr().err.count("it is not yet valid") == 1, "not each minute"
