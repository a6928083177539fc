import pandas as pd
import yaml

from purchase_intent.sources import bundled
from sections import described
from worlds import ROOT


def frame(name: str) -> pd.DataFrame:
    """The table of that file of conf/data/."""
    (piece,) = bundled.table(described(yaml.safe_load((ROOT / f"conf/data/{name}.yaml").read_text(encoding="utf-8"))))
    return piece


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
