"""Settings: whatever conf/ offers is valid."""

from collections.abc import Callable
from pathlib import Path

import pytest

from purchase_intent.networks import NETWORKS
from purchase_intent.settings import Settings, load
from stemma.conf import composition as conf
from stemma.search import space
from stemma.search.settings import SearchSettings
from stemma.settings import checked

pytestmark = pytest.mark.unit
ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for path in ROOT.glob("conf/*/*.yaml") if path.parent.name != "search")  # that is no group
OPTIONS = [f"{path.parent.name}={path.stem}" for path in FILES]
HIDDEN = [option for option in OPTIONS if option.startswith("model=") and option.endswith("_mlp")][:1]  # it has units
REFERENCES = [option for option in OPTIONS if option.startswith("experiment=reference_")]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_in_conf_is_valid(option: str, composed: Callable[..., Settings]) -> None:
    settings = composed(*HIDDEN if option == "experiment=prune_structured" else (), option)
    group, _, name = option.partition("=")
    assert group != "model" or settings.model.name == name


def test_every_network_has_its_settings_in_conf() -> None:
    assert [name for name in NETWORKS if f"model={name}" not in OPTIONS] == []


@pytest.mark.parametrize("file", sorted(ROOT.glob("conf/search/*.yaml")), ids=lambda file: file.stem)
def test_every_space_is_one(file: Path) -> None:
    settings = conf.mapping(file.read_text(encoding="utf-8"), file.name)
    assert checked(SearchSettings, settings, file.name).space


def test_a_space_holds_what_the_network_takes() -> None:
    first = sorted((ROOT / "conf/search").glob("*.yaml"))[0]
    assert space.read(ROOT, first.stem, load).name == first.stem


def test_the_reference_network_is_the_same_in_each_framework(composed: Callable[..., Settings]) -> None:
    each = [composed(option) for option in REFERENCES]
    models = [settings.model.model_dump(exclude={"name", "framework"}) for settings in each]
    assert models == [{"hidden": (128,), "activation": "relu", "dropout": 0.2}] * len(each)
    assert all(settings.train == each[0].train and settings.data == each[0].data for settings in each)
    assert each[0].data.split.validation == 0.2
