"""From `stemma describe` to a packaged network on tables that nobody prepared, of tests/unprepared.py, by the defaults.

python bench/unprepared.py
"""

import json
import resource
import sys
import tempfile
import zipfile
from pathlib import Path

import page
from page import Table
from pipeline import ROOT, call, project

sys.path.insert(0, str(ROOT / "tests"))
from unprepared import TABLES, Unprepared


def unprepared() -> Table:
    """Twelve tables in the style of people's own: described with the target alone, then `dvc repro` by the defaults. An
    edit is one that `describe` names; the main figure on the test rows beside that of gradient boosting."""
    with project() as folder:
        rows = [[name, *run(folder, name, table)] for name, table in TABLES.items()]
    return ["table", "task", "edits", "figure", "network", "boosting", "CPU seconds", "package"], rows


def run(folder: Path, name: str, table: Unprepared) -> list[str]:
    with tempfile.TemporaryDirectory() as raw:
        file = table.write(Path(raw))
        described = ("stemma", "describe", str(file), "--target", table.target, "--name", name, "--track")
        call(folder, *described, *table.arguments)
    conf, before = folder / f"conf/data/{name}.yaml", spent()
    conf.write_text(table.edited(conf.read_text(encoding="utf-8")), encoding="utf-8")
    call(folder, "stemma", "conf", "sync", f"data={name}")
    call(folder, "dvc", "repro")
    told = json.loads((folder / "reports/evaluation.json").read_text(encoding="utf-8"))
    with zipfile.ZipFile(folder / "models/package/model.zip") as package:
        version = json.loads(package.read("version.json"))
    figures = told["test"][told["main"]], told["baselines"]["gradient_boosting"]["test"][told["main"]]
    shown = [f"{figure['value']:.4g}" for figure in figures]
    return [
        table.task,
        "; ".join(table.edits) or "none",
        told["main"],
        *shown,
        f"{spent() - before:.0f}",
        version["name"],
    ]


def spent() -> float:
    """CPU seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


TABLES_OF_PAGE = {"unprepared": unprepared}

if __name__ == "__main__":
    page.main(TABLES_OF_PAGE)
