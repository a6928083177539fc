"""Sections of settings, as conf/data/ holds them or for a small file of one's own."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from stemma.tables.settings import Table
from tiny import SOURCES, VISITS
from tiny.params import conf
from worlds import ROOT


def described(values: Mapping[str, Any]) -> Table:
    """The section `data` of these values, of the type that its kind asks for."""
    return SOURCES[values["kind"]].settings.model_validate_json(json.dumps(values))


@pytest.fixture(scope="session")
def section() -> Callable[..., Table]:
    """section("visits", rows=500): the tests' own table, or a file (`csv`, as conf/data/ has it), with changes."""

    def build(kind: str, **changes: object) -> Table:
        return described((conf("data/csv") if kind == "csv" else VISITS) | changes)

    return build


@pytest.fixture(scope="session")
def small(section: Callable[..., Table]) -> Callable[..., Table]:
    """small(path): a file with the columns n (numeric), b (boolean), c (categorical) and the target y."""

    def build(path: Path, **changes: object) -> Table:
        columns = {"n": "numeric", "b": "boolean", "c": "categorical"}
        base = {"source": str(path), "target": "y", "positive": None, "columns": columns, "ranges": {}}
        return section("csv", **(base | changes))

    return build


@pytest.fixture
def table_file(tmp_path: Path) -> Callable[[str | bytes], Path]:
    """A CSV file with this content."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture(scope="session")
def real_file() -> Path:
    """The file of the UCI repository, where it is there."""
    path = ROOT.parent / "shared/data/online_shoppers_intention.csv"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    return path
