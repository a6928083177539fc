from purchase_intent.data import bundled


def test_digits_are_images_of_eight_by_eight_pixels():
    table = bundled.table("digits")
    assert list(table)[:3] == ["pixel_0_0", "pixel_0_1", "pixel_0_2"]
    assert list(table)[-2:] == ["pixel_7_7", "digit"]
    assert table.shape == (1797, 65)
    assert sorted(table["digit"].unique()) == list(range(10))


def test_diabetes_has_ten_measures_and_a_target():
    table = bundled.table("diabetes")
    assert table.shape == (442, 11)
    assert list(table)[-1] == "target"
