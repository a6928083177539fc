import json

import pandas as pd
import pytest
import yaml

from purchase_intent.sources import SOURCES, bundled
from stemma.tables import hints, load, split, validate
from stemma.tables.settings import Table
from worlds import ROOT


def described(name: str, **changes: object) -> Table:
    """That file of conf/data/, with changes."""
    values = yaml.safe_load((ROOT / f"conf/data/{name}.yaml").read_text(encoding="utf-8")) | changes
    return SOURCES[values["kind"]].settings.model_validate_json(json.dumps(values))


def frame(name: str) -> pd.DataFrame:
    (piece,) = bundled.table(described(name))
    return piece


@pytest.mark.parametrize(
    ("name", "shape"), [("simulated", (12_000, 19)), ("digits", (1797, 65)), ("diabetes", (442, 11))]
)
def test_the_tables_that_come_with_the_project_are_accepted_by_their_settings(name, shape):
    settings = described(name)
    table = load.table(settings, SOURCES)
    assert table.shape == shape
    validate.check(table, settings)
    constant = name == "digits"  # some pixels are never touched
    assert bool(hints.find(table, settings, split.split(table, settings))) == constant


def test_simulated_tables_are_the_same_from_memory_and_from_a_file(tmp_path):
    from purchase_intent.sources import simulated

    drawn = load.table(described("simulated", rows=500), SOURCES)
    columns = {**described("csv").columns, "Probability": "bayes"}
    for ending in ("csv", "parquet"):
        path = tmp_path / f"t.{ending}"
        simulated.write(path, 500, 0, 0.02)
        pd.testing.assert_frame_equal(load.table(described("csv", source=str(path), columns=columns), SOURCES), drawn)


def test_digits_are_images_of_eight_by_eight_pixels():
    table = frame("digits")
    assert list(table)[:3] == ["pixel_0_0", "pixel_0_1", "pixel_0_2"]
    assert list(table)[-2:] == ["pixel_7_7", "digit"]
    assert table.shape == (1797, 65)
    assert sorted(table["digit"].unique()) == list(range(10))


def test_diabetes_has_ten_measures_and_a_target():
    table = frame("diabetes")
    assert table.shape == (442, 11)
    assert list(table)[-1] == "target"
