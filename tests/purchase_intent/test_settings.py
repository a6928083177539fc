"""Settings: whatever conf/ offers is valid."""

from collections.abc import Callable
from pathlib import Path

import pytest

from purchase_intent.networks import NETWORKS
from purchase_intent.settings import Settings

pytestmark = pytest.mark.unit
ROOT = Path(__file__).resolve().parents[2]
OPTIONS = [f"{path.parent.name}={path.stem}" for path in sorted(ROOT.glob("conf/*/*.yaml"))]
REFERENCES = [option for option in OPTIONS if option.startswith("experiment=reference_")]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_in_conf_is_valid(option: str, composed: Callable[..., Settings]) -> None:
    settings = composed(option)
    group, _, name = option.partition("=")
    assert group != "model" or settings.model.name == name


def test_every_network_has_its_settings_in_conf() -> None:
    assert [name for name in NETWORKS if f"model={name}" not in OPTIONS] == []


def test_the_reference_network_is_the_same_in_each_framework(composed: Callable[..., Settings]) -> None:
    each = [composed(option) for option in REFERENCES]
    models = [settings.model.model_dump(exclude={"name", "framework"}) for settings in each]
    assert models == [{"hidden": (128,), "activation": "relu", "dropout": 0.2}] * len(each)
    assert all(settings.train == each[0].train and settings.data == each[0].data for settings in each)
    assert each[0].data.split.validation == 0.2
