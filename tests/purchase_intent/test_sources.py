"""Every table that conf/data/ describes is read, checked, and the same each time."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from purchase_intent.settings import Settings
from purchase_intent.sources import SOURCES
from stemma import testing

pytestmark = pytest.mark.unit
ROOT = Path(__file__).resolve().parents[2]


def there(path: Path) -> bool:
    """Whether the table, or the code that makes it, is in this copy."""
    return (ROOT / yaml.safe_load(path.read_text(encoding="utf-8"))["source"]).is_file()


@pytest.mark.parametrize("name", [path.stem for path in sorted(ROOT.glob("conf/data/*.yaml")) if there(path)])
def test_a_table_of_conf_is_accepted_by_its_settings(
    name: str, composed: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    testing.check_source(SOURCES, composed(f"data={name}").data)
