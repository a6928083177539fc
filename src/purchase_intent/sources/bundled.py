"""Tables that come with scikit-learn."""

from collections.abc import Iterator

import pandas as pd

from purchase_intent.sources.settings import BundledTable


def table(settings: BundledTable) -> Iterator[pd.DataFrame]:
    """A bundled table, the target last.

    Args:
        settings: their `dataset` is "digits", 1,797 images as `pixel_ROW_COLUMN` of 0 to 16 and the `digit` (0 to 9),
            or "diabetes", 442 patients with ten measures and `target`, the progress of the disease after a year.
    """
    from sklearn import datasets

    digits = settings.dataset == "digits"
    frame = (datasets.load_digits if digits else datasets.load_diabetes)(as_frame=True).frame
    yield frame.rename(columns={"target": "digit"}) if digits else frame
