"""D, its parts and its weights."""

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma import conf
from stemma.errors import SettingsError
from stemma.versions.diff import total
from worlds import ROOT


def test_the_default_weights_are_those_of_the_design() -> None:
    assert total.DEFAULT == {"structure": 0.5, "parameters": 0.3, "data": 0.2}


def test_d_is_the_weighted_mean_of_its_parts() -> None:
    found = total.total({"structure": 0.5, "parameters": 0.1, "data": 1.0}, total.DEFAULT, ())
    assert found.total == pytest.approx(0.25 + 0.03 + 0.2)


def test_a_part_that_is_not_known_gives_its_weight_to_the_others() -> None:
    found = total.total({"structure": 0.2, "parameters": 0.6, "data": None}, total.DEFAULT, ())
    assert found.total == pytest.approx((0.5 * 0.2 + 0.3 * 0.6) / 0.8)
    assert sum(found.weights.values()) == pytest.approx(1)
    assert total.total(dict.fromkeys(total.DEFAULT), total.DEFAULT, ()).total is None


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3), st.lists(st.integers(0, 10), min_size=3, max_size=3))
def test_d_is_in_0_1_and_0_only_where_every_part_that_counts_is(parts, weights) -> None:
    used = dict(zip(total.DEFAULT, [w / (sum(weights) or 1) for w in weights], strict=True))
    found = total.total(dict(zip(total.DEFAULT, parts, strict=True)), used, ()).total
    if not sum(weights):
        assert found is None
        return
    assert 0 <= found <= 1
    if not any(part and weight for part, weight in zip(parts, weights, strict=True)):
        assert found == 0


def test_weights_are_read_from_the_command_line() -> None:
    assert total.parse("structure=0.5, data=0.5") == {"structure": 0.5, "parameters": 0.0, "data": 0.5}


@pytest.mark.parametrize(
    "text", ["structure=0.5", "structure=a", "structure", "colour=1", "structure=2,data=-1", "structure=nan"]
)
def test_weights_that_are_none_are_one_clear_line(text) -> None:
    named = "--weights must give numbers from 0 that sum to 1 to structure, parameters, data"
    with pytest.raises(SettingsError, match=named) as raised:
        total.parse(text)
    assert "\n" not in str(raised.value)


def test_weights_are_read_from_conf(tmp_path) -> None:
    assert total.read(tmp_path) == total.DEFAULT
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/diff.yaml").write_text("weights: {structure: 0.2, parameters: 0.8}\n")
    assert total.read(tmp_path) == {"structure": 0.2, "parameters": 0.8, "data": 0.0}


@pytest.mark.parametrize("text", ["", "weights: 3", "weights: {data: many}", "a: [", "weights: {data: 0.1}"])
def test_a_conf_file_that_holds_no_weights_is_one_clear_line(tmp_path, text) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/diff.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"conf/diff\.yaml") as raised:
        total.read(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_conf_file_of_weights_does_not_disturb_the_settings(tmp_path) -> None:
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / ".dvc").mkdir()
    shutil.copyfile(ROOT / ".dvc/config", tmp_path / ".dvc/config")
    before = conf.differences(tmp_path)
    (tmp_path / "conf/diff.yaml").write_text("weights: {structure: 0.2, parameters: 0.8}\n")
    assert conf.differences(tmp_path) == before
    assert total.read(tmp_path)["parameters"] == 0.8
