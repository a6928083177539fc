"""Every table that conf/data/ describes is read, checked, and the same each time."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from purchase_intent.settings import Settings
from purchase_intent.sources import SOURCES, simulated
from stemma import testing
from stemma.tables import load

pytestmark = pytest.mark.unit
ROOT = Path(__file__).resolve().parents[2]
SHAPES = {"digits": (1797, 65), "diabetes": (442, 11)}
Composed = Callable[..., Settings]


def there(path: Path) -> bool:
    """Whether the table, or the code that makes it, is in this copy."""
    return (ROOT / yaml.safe_load(path.read_text(encoding="utf-8"))["source"]).is_file()


@pytest.mark.parametrize("name", [path.stem for path in sorted(ROOT.glob("conf/data/*.yaml")) if there(path)])
def test_a_table_of_conf_is_accepted_by_its_settings(
    name: str, composed: Composed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    enough = ("data.rows=12000",) if name == "simulated" else ()  # in few rows the columns of rare texts look wrong
    found = testing.check_source(SOURCES, composed(f"data={name}", *enough).data)
    assert found.table.shape == SHAPES.get(name, found.table.shape)
    assert name not in ("simulated", "diabetes") or found.hints == ()


def test_digits_are_images_of_eight_by_eight_pixels(composed: Composed) -> None:
    table = load.table(composed("data=digits").data, SOURCES)
    assert list(table)[:3] == ["pixel_0_0", "pixel_0_1", "pixel_0_2"]
    assert list(table)[-2:] == ["pixel_7_7", "digit"]
    assert sorted(table["digit"].unique()) == [str(digit) for digit in range(10)]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_simulated_tables_are_the_same_from_memory_and_from_a_file(
    ending: str, composed: Composed, tmp_path: Path
) -> None:
    drawn = composed("data.rows=500").data
    path = tmp_path / f"t.{ending}"
    simulated.write(path, 500, drawn.seed, drawn.missing)
    file = composed("data=csv", f"data.source={path.as_posix()}", "+data.columns.Probability=bayes").data
    pd.testing.assert_frame_equal(load.table(file, SOURCES), load.table(drawn, SOURCES))
