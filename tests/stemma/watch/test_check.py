"""Is what is served what was trained."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundles import contents
from stemma.bundle import Bundle
from stemma.errors import StemmaError
from stemma.tables.profile import described
from stemma.watch.check import Row, Server, check
from watched import REGRESSION, START, logged, source

DAY = 86400.0
REFERENCE = {
    "Month": {"missing": 5, "values": {"May": 50, "Nov": 50}, "other": 0},
    "PageValues": {"missing": 5, **described(np.linspace(0, 9, 100))},
    "Weekend": {"missing": 0, "values": {"0": 60, "1": 45}},
}


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.of(contents() | {"reference.json": json.dumps({"columns": REFERENCE}).encode()})


def found(folder: Path, bundle: Bundle, **more: Any) -> set[tuple[str, str]]:
    return {(each.kind, each.name.partition(" of ")[0]) for each in check(folder, bundle, 7 * DAY, **more).findings}


def asked(folder: Path, version: str = "shop@1", first: float | None = None, **inputs: Any) -> None:
    rows = 60
    usual = {"Month": np.resize(np.array(["May", "Nov"], object), rows), "Weekend": np.resize(np.float32([0, 1]), rows),
             "PageValues": np.linspace(0, 9, rows, dtype=np.float32)}  # fmt: skip
    times = (time.time() - rows if first is None else first) + np.arange(rows)
    logged(folder, [0.5] * rows, of=source(version), inputs=usual | inputs, times=times)


def test_features_that_say_nothing_in_service_are_named(bundle: Bundle, tmp_path: Path) -> None:
    asked(tmp_path / "a")
    assert found(tmp_path / "a", bundle) == set()
    logged(tmp_path / "few", [0.5] * 3, of=source("shop@1"), times=time.time() + np.arange(3))  # alike by chance
    assert found(tmp_path / "few", bundle) == set()
    asked(tmp_path / "b", Month=np.full(60, "", object), PageValues=np.full(60, 3, np.float32))
    assert found(tmp_path / "b", bundle) == {("missing", "Month"), ("constant", "PageValues")}
    asked(tmp_path / "c", PageValues=np.full(60, np.nan, np.float32), Weekend=np.ones(60, np.float32))
    checked = check(tmp_path / "c", bundle, 7 * DAY)
    assert {(each.kind, each.name, each.told) for each in checked.findings} == {
        ("missing", "PageValues of shop@1", "100.0% of the rows have no value, and 4.8% of those of training"),
        ("constant", "Weekend of shop@1", "every value is 1"),
    }
    assert not checked.is_sound and checked.sentence == "2 findings"


def test_versions_that_nobody_asks_any_more_are_told(bundle: Bundle, tmp_path: Path) -> None:
    asked(tmp_path, "shop@1", START)
    asked(tmp_path, "shop@2")
    server = Server(["shop@2", "shop@3"], lambda rows: None)
    checked = check(tmp_path, bundle, 7 * DAY, server=server)
    assert [(each.kind, each.name, each.told) for each in checked.findings] == [
        ("idle", "shop@1", "nobody asked it since 2025-10-09 08:54"),
        ("idle", "shop@3", "it serves, and nobody ever asked it"),
    ]
    assert checked.is_sound


CSV = "more,Month,PageValues,Weekend\n1,May,0.5,yes\n2,Nov,,F\n3,,3,?\n"


def served(bundle: Bundle, change: float = 0.0, times: int = 1) -> Server:
    """A server of this bundle, that has a column multiplied on its way to the graph."""

    def ask(rows: Sequence[Row]) -> Any:
        columns = {name: [row[name] for row in rows] for name in ("Month", "PageValues", "Weekend")}
        columns["PageValues"] = [str(float(text) + change) if text else text for text in columns["PageValues"]]
        answers = [{"prediction": "TRUE", "probabilities": dict(zip(("FALSE", "TRUE"), row.tolist(), strict=True))}
                   for row in bundle.predict(columns)]  # fmt: skip
        return {"model": "shop", "version": "1", "predictions": answers * times}

    return Server(["shop@1"], ask)


def test_rows_that_a_server_answers_otherwise_are_a_skew(bundle: Bundle, tmp_path: Path) -> None:
    asked(tmp_path / "log")
    (tmp_path / "rows.csv").write_text(CSV, encoding="utf-8")
    table = tmp_path / "rows.csv"
    checked = check(tmp_path / "log", bundle, 7 * DAY, table, served(bundle))
    assert (checked.findings, checked.sentence) == ((), "nothing found; 3 rows of the table asked of the server")
    (skew,) = check(tmp_path / "log", bundle, 7 * DAY, table, served(bundle, change=1)).findings
    assert (skew.kind, skew.name) == ("skew", "shop 1")
    assert skew.told.startswith("2 of 3 rows (such as 1, 3) are answered otherwise, by up to 0.")


def test_what_does_not_answer_as_the_bundle_does_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    asked(tmp_path / "log")
    (tmp_path / "rows.csv").write_text(CSV, encoding="utf-8")
    (tmp_path / "other.csv").write_text("Month\nMay\n", encoding="utf-8")
    with pytest.raises(StemmaError, match="has no column PageValues, Weekend"):
        check(tmp_path / "log", bundle, 7 * DAY, tmp_path / "other.csv", served(bundle))
    with pytest.raises(StemmaError, match="answers 6 of 3 rows"):
        check(tmp_path / "log", bundle, 7 * DAY, tmp_path / "rows.csv", served(bundle, times=2))
    with pytest.raises(StemmaError, match="does not answer as this bundle does"):
        check(tmp_path / "log", bundle, 7 * DAY, tmp_path / "rows.csv", Server([], lambda rows: {"predictions": [{}]}))
    logged(tmp_path / "other", [0.5] * 60, of=source("r", REGRESSION), times=time.time() + np.arange(60))
    assert found(tmp_path / "other", bundle) == {
        ("constant", "Month"),
        ("constant", "PageValues"),
        ("constant", "Weekend"),
    }
