"""The stage as DVC runs it: params.yaml in, data/prepared out."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from purchase_intent.stages import prepare
from stemma import layout
from stemma.errors import DataError
from stemma.tables import encode, profile
from worlds import PREFIX

ROOT = Path(__file__).parents[3]
FILES = ["encoder.onnx", "profile.json", "test.parquet", "train.parquet", "validation.parquet"]


def settle(folder: Path, data: str, **changes: object) -> Path:
    """params.yaml in a folder: the files of conf/, with changes of the data section."""

    def read(name: str) -> dict:
        return yaml.safe_load((ROOT / "conf" / name).read_text(encoding="utf-8"))

    sections = {name: values for name, values in read("config.yaml").items() if name != "defaults"}
    chosen = {"model": f"{PREFIX}_mlp", "train": "default", "export": "default"}
    sections |= {group: read(f"{group}/{name}.yaml") for group, name in chosen.items()}
    sections["data"] = read(f"data/{data}.yaml") | changes
    (folder / "params.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "data/prepared").iterdir())}


def told(folder: Path) -> dict[str, bytes]:
    """The report and its pictures."""
    return {path.name: path.read_bytes() for path in sorted((folder / "reports").rglob("*.*"))}


@pytest.mark.parametrize(("data", "width"), [("simulated", 72), ("digits", 64), ("diabetes", 10)])
def test_every_task_is_prepared(tmp_path, monkeypatch, data, width):
    monkeypatch.chdir(settle(tmp_path, data, **({"rows": 3000} if data == "simulated" else {})))
    prepare.main()
    assert sorted(contents(tmp_path)) == FILES
    assert abs(profile.read(layout.PREPARED).encoded_width - width) <= 4
    parts = [pd.read_parquet(layout.PREPARED / f"{name}.parquet") for name in ("train", "validation", "test")]
    assert all(next(iter(part)) == "row" for part in parts)
    assert sorted(pd.concat(parts)["row"]) == list(range(sum(map(len, parts))))


def test_rows_are_those_of_the_source_table_and_a_column_of_that_name_is_kept(tmp_path, monkeypatch):
    lines = [f"{number},{'pq'[number % 2]}" for number in range(50)]
    (tmp_path / "t.csv").write_text("row,y\n" + "\n".join(lines))
    settle(tmp_path, "csv", source="t.csv", target="y", positive="q", columns={"row": "numeric"}, ranges={})
    monkeypatch.chdir(tmp_path)
    prepare.main()
    test = pd.read_parquet(layout.PREPARED / "test.parquet")
    assert list(test) == ["_row", "row", "y"]
    assert (test["_row"] == test["row"]).all()
    assert profile.read(layout.PREPARED).row == "_row"


def test_bytes_are_the_same_in_another_folder_with_another_number_of_threads_and_hash_seed(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        settle(folder, "simulated", rows=40_000)
    monkeypatch.chdir(here)
    prepare.main()
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_IO_THREADS"), "3")
    environment = os.environ | limits | {"PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", "from purchase_intent.stages import prepare; prepare.main()"]
    subprocess.run(command, cwd=there, env=environment, check=True)
    assert contents(here) | told(here) == contents(there) | told(there)
    assert {"data.md", "columns.svg", "target.svg"} == told(here).keys()


def test_another_seed_gives_other_splits_and_another_encoder(tmp_path, monkeypatch):
    made = []
    for seed in (0, 1):
        split = {"test": 0.2, "validation": 0.2, "seed": seed}
        monkeypatch.chdir(settle(tmp_path, "digits", split=split))
        prepare.main()
        made.append(contents(tmp_path))
    assert all(made[0][name] != made[1][name] for name in FILES if name != "profile.json")


def test_a_run_that_fails_leaves_the_previous_results(tmp_path, monkeypatch):
    monkeypatch.chdir(settle(tmp_path, "simulated", rows=300))
    prepare.main()
    before = contents(tmp_path)
    settle(tmp_path, "simulated", rows=400)
    reported = told(tmp_path)

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(profile, "write", full)
    with pytest.raises(OSError, match="disk full"):
        prepare.main()
    assert contents(tmp_path) == before
    assert told(tmp_path) == reported
    assert [path.name for path in Path("data").iterdir()] == ["prepared"]


def test_strict_settings_stop_at_a_hint_and_write_nothing(tmp_path, monkeypatch, capsys):
    folder = settle(tmp_path, "digits")
    params = folder / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("strict: false", "strict: true"), encoding="utf-8")
    monkeypatch.chdir(folder)
    with pytest.raises(DataError, match=r"column 'pixel_0_0' is 0 in every training row: give it the role drop"):
        prepare.main()
    assert [path.name for path in folder.iterdir()] == ["params.yaml"]


def test_the_page_tells_what_stderr_tells(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(settle(tmp_path, "digits"))
    prepare.main()
    line = "column 'pixel_0_0' is 0 in every training row: give it the role drop"
    assert f"hint: {line}\n" in capsys.readouterr().err
    assert line.replace("_", "\\_") in (tmp_path / "reports/data.md").read_text(encoding="utf-8")


def test_the_real_file_is_prepared(tmp_path, monkeypatch):
    source = ROOT.parent / "shared/data/online_shoppers_intention.csv"
    if not source.is_file():
        pytest.skip(f"{source} is not there")
    monkeypatch.chdir(settle(tmp_path, "csv", source=str(source)))
    prepare.main()
    known = profile.read(layout.PREPARED)
    assert known.task.classes == ("FALSE", "TRUE")
    assert known.raw["splits"]["test"] == {"rows": 2466, "balance": {"FALSE": 2084, "TRUE": 382}}
    encoded = encode.Encoder(layout.PREPARED / "encoder.onnx").encode(pd.read_parquet("data/prepared/test.parquet"))
    assert encoded.shape == (2466, known.encoded_width)
    assert np.isfinite(encoded).all()
