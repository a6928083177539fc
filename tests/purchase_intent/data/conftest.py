"""Sections of settings, as conf/data/ holds them or for a small file of one's own."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from purchase_intent.config import DataSettings, Table

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def section() -> Callable[..., Table]:
    """section("simulated", rows=500): that file of conf/data/, with changes."""

    def build(name: str, **changes: object) -> Table:
        values = yaml.safe_load((ROOT / f"conf/data/{name}.yaml").read_text(encoding="utf-8"))
        return TypeAdapter(DataSettings).validate_json(json.dumps(values | changes))

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
