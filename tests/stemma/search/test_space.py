"""conf/search/NAME.yaml: every fault is a line, told before anything is fitted."""

from collections.abc import Callable
from typing import Any

import pytest

from searched import Searched
from stemma.errors import SettingsError
from stemma.search import space
from stemma.search.settings import SearchSettings
from stemma.settings import checked
from tiny.params import load


@pytest.mark.parametrize(
    ("dimension", "told"),
    [
        ({}, "give either choices, or low and high"),
        ({"low": 1}, "give either choices, or low and high"),
        ({"choices": [1, 2], "low": 1, "high": 2}, "give either choices, or low and high"),
        ({"low": 2, "high": 1}, "low must be below high"),
        ({"low": 0, "high": 1, "log": True}, "log needs a low above 0, and no step"),
        ({"low": 1, "high": 9, "step": 0.5}, "the step of whole numbers is whole"),
        ({"low": 1, "high": 9, "step": 10}, "step must divide high - low: from low it reaches 1"),
        ({"low": 1, "high": 9, "step": 3}, "step must divide high - low: from low it reaches 7"),
        ({"low": 0.0, "high": 0.5, "step": 0.2}, "step must divide high - low: from low it reaches 0.4"),
        ({"low": 1, "high": 9, "step": 0}, "step: 0: input should be greater than 0$"),
        ({"choices": [1, 2], "when": {"model": []}}, "at least 1 item"),
        ({"choices": [1, 2], "log": True}, "log and step go with low and high"),
        ({"choices": [1]}, "at least 2 items"),
        ({"choices": [32, 64, 32]}, "the choice 32 is there twice"),
        ({"lo": 1, "high": 2}, "lo: no such setting"),
    ],
)
def test_a_dimension_is_choices_or_a_range(dimension: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsError, match=told) as caught:
        checked(SearchSettings, {"space": {"train.learning_rate": dimension}}, "conf/search/mine.yaml")
    assert str(caught.value).startswith("conf/search/mine.yaml: ") and "space.train.learning_rate" in str(caught.value)


def test_every_fault_of_a_space_is_a_line_with_the_nearest_name(searched: Callable[..., Searched]) -> None:
    made = searched(
        metric=["roc_auc", "parameters"],
        settings=["data=more"],
        space={
            "train.learningrate": {"low": 0.1, "high": 0.2},
            "modle": {"choices": ["tiny_torch", "other"]},
            "model": {"choices": ["tiny_torch", "another"]},
            "data": {"choices": ["visits", "more"]},
            "prepare.rare": {"low": 5, "high": 20},
            "evaluate.bins": {"low": 5, "high": 20},
            "train.teacher": {"choices": [None, "HEAD"]},
            "train.patience": {"low": -1, "high": 9},
            "model.hidden": {"choices": [[4], [8]], "when": {"model": ["others"], "train.patience": [0]}},
        },
    )
    with pytest.raises(SettingsError) as caught:
        space.read(made.root, "tiny", load)
    first, *lines = str(caught.value).splitlines()
    assert first == "conf/search/tiny.yaml: 12 settings are wrong:", lines
    for told in (
        "pruner: of several metrics",
        "settings: data.rows: it moves the rows that all trials share, so it is not searched",
        "space.train.learningrate: no such setting (did you mean train.learning_rate?)",
        "space.modle: no such setting (did you mean model?)",
        "space.model: 'another': conf/ does not compose",
        "space.data.rows: it moves the rows that all trials share",
        "space.prepare.rare: it moves the rows that all trials share",
        "space.evaluate.bins: no fit depends on it",
        "space.train.teacher: no trial reads another version",
        "space.train.patience: -1: ",
        "space.model.hidden.when.model: 'others' is none of its choices",
        "space.model.hidden.when: 'train.patience' is no dimension with choices above it (did you mean train.teacher?)",
    ):
        assert any(line.strip().startswith(told) for line in lines), (told, lines)


def test_settings_of_every_trial_that_do_not_compose_are_a_fault_of_the_search(
    searched: Callable[..., Searched],
) -> None:
    with pytest.raises(SettingsError) as caught:
        space.read(searched(settings=["model=foo"]).root, "tiny", load)
    first, line = str(caught.value).splitlines()
    assert first == "conf/search/tiny.yaml: 1 setting is wrong:"
    assert line.startswith("  settings: conf/ does not compose: ") and "model/foo" in line


def test_a_search_that_is_not_there_is_named_with_its_neighbours(searched: Callable[..., Searched]) -> None:
    with pytest.raises(SettingsError, match=r"conf/search/tinny.yaml is not there \(did you mean tiny\?\)"):
        space.read(searched().root, "tinny", load)


def test_numbers_are_overrides_as_a_person_would_write_them() -> None:
    assert space.override("train.learning_rate", 0.0012345678) == "train.learning_rate=0.001235"
    assert space.override("model.hidden", [64, 32]) == "model.hidden=[64, 32]"
    assert space.override("train.weight_decay", None) == "train.weight_decay=null"


@pytest.mark.parametrize("step", [0.2, 0.1, 0.05])
def test_a_step_divides_the_range_as_it_is_written(step: float) -> None:
    space = {"train.learning_rate": {"low": 0.1, "high": 0.3, "step": step}}
    assert checked(SearchSettings, {"space": space}, "x").space["train.learning_rate"].step == step


def test_a_metric_is_asked_for_once() -> None:
    values = {"space": {"train.seed": {"choices": [1, 2]}}, "metric": ["roc_auc", "roc_auc"], "pruner": "none"}
    with pytest.raises(SettingsError, match="a metric is there twice"):
        checked(SearchSettings, values, "conf/search/mine.yaml")


def test_an_empty_list_of_metrics_says_what_to_do() -> None:
    values = {"space": {"train.seed": {"choices": [1, 2]}}, "metric": []}
    with pytest.raises(SettingsError, match="names no metric: leave it out for the main figure"):
        checked(SearchSettings, values, "conf/search/mine.yaml")


@pytest.mark.parametrize("name", ["../search/tiny", "../../tiny", "./tiny", "sub/tiny"])
def test_a_search_is_a_name_and_no_path(searched: Callable[..., Searched], name: str) -> None:
    made = searched()
    content = (made.root / "conf/search/tiny.yaml").read_text()
    for file in ("tiny.yaml", "conf/search/sub/tiny.yaml"):
        (made.root / file).parent.mkdir(exist_ok=True)
        (made.root / file).write_text(content)
    with pytest.raises(SettingsError, match=r"is not there.*: there are tiny"):
        space.read(made.root, name, load)


def test_a_search_has_a_name_that_experiments_can_have(searched: Callable[..., Searched]) -> None:
    made = searched()
    (made.root / "conf/search/tiny.yaml").rename(made.root / "conf/search/my search.yaml")
    with pytest.raises(SettingsError, match="the file's name: letters, digits, _ and - alone"):
        space.read(made.root, "my search", load)
