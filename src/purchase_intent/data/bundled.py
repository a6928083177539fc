"""Tables that come with scikit-learn."""

from typing import Literal

import pandas as pd


def table(dataset: Literal["digits", "diabetes"]) -> pd.DataFrame:
    """A bundled table.

    Args:
        dataset: "digits", 1,797 images as `pixel_ROW_COLUMN` of 0 to 16 and the `digit` (0 to 9), or "diabetes",
            442 patients with ten measures and `target`, the progress of the disease after a year.

    Returns:
        A frame, the target last.
    """
    from sklearn import datasets

    bunch = {"digits": datasets.load_digits, "diabetes": datasets.load_diabetes}[dataset](as_frame=True)
    return bunch.frame.rename(columns={"target": "digit"}) if dataset == "digits" else bunch.frame
