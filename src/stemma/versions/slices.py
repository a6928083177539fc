"""The columns that a version's test rows are cut by."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemma import layout, parquet
from stemma.errors import VersionError
from stemma.versions.predictions import described

if TYPE_CHECKING:
    from stemma.repo.repository import Version

TEST = layout.rows("test").as_posix()


def columns_of(version: "Version", rows: NDArray[Any], wanted: Sequence[str]) -> Mapping[str, Sequence[Any]]:
    """Columns of a version's test rows, in the order of these row numbers; those that are not there are left out.

    Raises:
        VersionError: the table is not in the version, or lacks one of these rows.
    """
    import pyarrow as pa
    from pyarrow.parquet import read_schema

    number = described(version, "row")
    try:
        content = io.BytesIO(version.bytes(TEST))
        names = read_schema(content).names
        table = parquet.read(content, (number, *wanted))
        numbers = table.column(number).to_numpy()
    except (pa.ArrowInvalid, KeyError) as error:
        raise VersionError(f"{TEST} of {version.name} cannot be read ({error})") from None
    order = np.argsort(numbers, kind="stable")
    if not np.array_equal(numbers[order], rows):
        raise VersionError(f"{TEST} of {version.name} does not hold the rows that it was judged on")
    found: dict[str, Sequence[Any]] = dict.fromkeys(names, ())
    return found | {name: table.column(name).take(pa.array(order)).to_pylist() for name in wanted if name in names}
