"""Sections of settings, as conf/data/ holds them or for a small file of one's own."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from purchase_intent.sources import SOURCES
from stemma.tables.settings import Table

ROOT = Path(__file__).parents[1]


def described(values: Mapping[str, Any]) -> Table:
    """The section `data` of these values, of the type that its kind asks for."""
    return SOURCES[values["kind"]].settings.model_validate_json(json.dumps(values))


@pytest.fixture(scope="session")
def section() -> Callable[..., Table]:
    """section("simulated", rows=500): that file of conf/data/, with changes."""

    def build(name: str, **changes: object) -> Table:
        values = yaml.safe_load((ROOT / f"conf/data/{name}.yaml").read_text(encoding="utf-8"))
        return described(values | changes)

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
