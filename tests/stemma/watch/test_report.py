"""The page of a log."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from stemma.watch import ab, outcomes, report
from watched import DAY, MULTICLASS, logged, source

WEEK = 7 * DAY


def test_the_page_holds_versions_figures_verdicts_and_drifts(tmp_path: Path) -> None:
    log = tmp_path / "requests"
    for version in ("v1", "v2"):
        for week, size in enumerate((1.0, 1.0, 100.0)):
            times, ids = WEEK * (2900 + week) + np.arange(200) * 60, [f"{version}-{week}-{n}" for n in range(200)]
            values = {"PageValues": np.linspace(0.1, 2, 200).astype(np.float32) * size}
            logged(log, [0.2, 0.8] * 100, of=source(version), inputs=values, times=times, ids=ids)
            outcomes.Ledger(log).keep({(id, 0): "TRUE" if n % 2 else "FALSE" for n, id in enumerate(ids)}, 0)
    found = report.write(log, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert len([each for window in found.windows for each in window.alarms]) == 2
    for text in (
        "2 drifts in 4 windows of 7 days", "about 100 times as large", "1,200", "roc_auc 1.0000", "2025-07-31 00:00",
        "v2 is not distinguishable from v1 yet", "In the last window that was judged", "Every file of the log was read",
    ):  # fmt: skip
        assert text in page
    assert "<script" not in page


def test_a_split_that_was_meant_to_be_uneven_is_no_mismatch_where_that_is_told(tmp_path: Path) -> None:
    log, told = tmp_path / "requests", {}
    for version, rows in (("v1", 1800), ("v2", 200)):
        logged(log, [0.2, 0.8] * (rows // 2), of=source(version), times=WEEK * 2900 + np.linspace(0, 3600, rows))
        told |= {(f"{version}-{n}", 0): "TRUE" if n % 2 else "FALSE" for n in range(rows)}
    outcomes.Ledger(log).keep(told, 0)
    for share, sentence in ((0.5, "v2 is not compared with v1"), (0.1, "v2 is not distinguishable from v1 yet")):
        report.write(log, tmp_path / "page.html", options=ab.Options(share=share))
        assert sentence in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_versions_stand_by_their_numbers_whichever_a_split_asked_first(tmp_path: Path) -> None:
    log = tmp_path / "requests"
    for place, version in enumerate(("shop@10", "shop@9")):
        logged(log, [0.2, 0.8] * 100, of=source(version), times=WEEK * 2900 + np.arange(200) * 60 + place)
    report.write(log, tmp_path / "page.html")
    assert "shop@10 is not compared with shop@9" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_versions_of_several_models_are_each_compared_with_those_of_their_own(tmp_path: Path) -> None:
    log = tmp_path / "requests"
    for place, version in enumerate(("shop@1", "churn@1", "shop@2", "fraud@v1.0.0")):
        logged(log, [0.2, 0.8] * 100, of=source(version), times=WEEK * 2900 + np.arange(200) * 60 + place)
    report.write(log, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("is not compared with") == 1 and "shop@2 is not compared with shop@1" in page


def test_before_a_window_is_judged_the_page_does_not_say_that_nothing_drifted(tmp_path: Path) -> None:
    logged(tmp_path / "log", [0.2, 0.8] * 10, of=source("v1"))
    report.write(tmp_path / "log", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "no drift" not in page and "Nothing is certain." in page


def test_what_strangers_wrote_is_only_text_on_the_page(tmp_path: Path) -> None:
    log = tmp_path / "requests"
    evil = "<script>alert(1)</script>"
    names = {"inputs": [{"name": evil, "type": "string"}], "target": evil}
    logged(log, [[0.2, 0.3, 0.5]] * 60, of=source(evil, MULTICLASS | names), inputs={evil: np.full(60, evil, object)})
    (log / "requests-x.parquet").write_bytes(b"PAR1")
    report.write(log, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page and "requests-x.parquet is skipped" in page
    assert "There is one version" in page


def test_a_file_that_drift_can_read_and_the_table_of_versions_cannot_is_told(tmp_path: Path) -> None:
    logged(tmp_path, [0.5] * 60, of=source("v1"))
    (sound,) = tmp_path.glob("*.parquet")
    table = parquet.read_table(sound)
    endless = table.set_column(table.schema.get_field_index("latency"), "latency", pa.array([np.inf] * 60))
    parquet.write_table(endless, tmp_path / "requests-x.parquet")
    report.write(tmp_path, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "requests-x.parquet is skipped" in page and "Every file of the log was read" not in page


def test_versions_that_predict_other_things_are_told_not_to_be_compared(tmp_path: Path) -> None:
    logged(tmp_path / "log", [0.5] * 60, of=source("v1"))
    logged(tmp_path / "log", [[0.2, 0.3, 0.5]] * 60, of=source("v2", MULTICLASS))
    report.write(tmp_path / "log", tmp_path / "page.html")
    assert "v2 is not compared with v1: " in (tmp_path / "page.html").read_text(encoding="utf-8")
