"""Tables are read without a thread of Arrow's."""

import io
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
from pyarrow.parquet import write_table

from stemma import parquet
from timing import HANGS

READ = """
import sys
import pandas, psutil
from stemma import parquet
threads = psutil.Process().num_threads()
parquet.read(sys.argv[1], ["a"]).column("a").to_numpy()
assert psutil.Process().num_threads() == threads, "a thread that starts while the process ends aborts it"
"""


def test_no_thread_is_started(tmp_path: Path) -> None:
    write_table(pa.table({"a": range(100_000), "b": ["text"] * 100_000}), tmp_path / "t.parquet")
    subprocess.run([sys.executable, "-c", READ, tmp_path / "t.parquet"], check=True, timeout=HANGS)


def test_columns_come_in_the_order_of_the_file_and_unknown_ones_are_left_out() -> None:
    content = io.BytesIO()
    write_table(pa.table({"a": [1, 2], "b": ["x", None], "c": [0.5, 1.5]}), content)
    content.seek(0)
    assert parquet.read(content, ["c", "no such", "a"]).to_pydict() == {"a": [1, 2], "c": [0.5, 1.5]}
