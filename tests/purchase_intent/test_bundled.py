"""The tables that come with scikit-learn are as conf/data/ describes them."""

from collections.abc import Callable

import pytest

from purchase_intent.settings import Settings
from purchase_intent.sources import SOURCES
from stemma.tables import check, load

pytestmark = pytest.mark.unit
Composed = Callable[..., Settings]


def test_digits_are_images_of_eight_by_eight_pixels(composed: Composed) -> None:
    table = load.table(composed("data=digits").data, SOURCES)
    assert table.shape == (1797, 65)
    assert list(table)[:3] == ["pixel_0_0", "pixel_0_1", "pixel_0_2"]
    assert list(table)[-2:] == ["pixel_7_7", "digit"]
    assert sorted(table["digit"].unique()) == [str(digit) for digit in range(10)]


def test_diabetes_is_ten_measures_of_442_patients_and_nothing_looks_wrong(composed: Composed) -> None:
    found = check.check(composed("data=diabetes").data, SOURCES, strict=False)
    assert (found.table.shape, found.hints) == ((442, 11), ())
