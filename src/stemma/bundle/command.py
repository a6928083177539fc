"""`python -m stemma.bundle`: predict and verify where nothing but NumPy and onnxruntime is installed."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from stemma.bundle.archive import GRAPH
from stemma.bundle.graph import look
from stemma.bundle.model import open_bundle
from stemma.bundle.predict import predict
from stemma.bundle.rows import Rows
from stemma.errors import one_line
from stemma.text import counted, say
from stemma.values import checked_separator


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = _parser().parse_args(arguments)
    with one_line():
        bundle = open_bundle(chosen.bundle, getattr(chosen, "trust", False))
        if chosen.command == "verify":
            look(bundle.files[GRAPH])
            say(f"{chosen.bundle} is intact: {counted(len(bundle.files), 'file')}")
        else:
            marks = (chosen.separator, chosen.decimal, chosen.encoding)
            predict(bundle, Rows(chosen.rows, *marks, keep=tuple(chosen.keep)), chosen.output, chosen.bundle)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stemma.bundle", description="Predict with a packaged network.")
    commands = parser.add_subparsers(dest="command", required=True)
    predict = commands.add_parser(
        "predict",
        help="predict the rows of a CSV or Parquet file",
        description="Predict the rows of a CSV (with a header) or Parquet file, one line of CSV for each.",
        epilog="example: python -m stemma.bundle predict models/package/model.zip rows.csv --output predictions.csv",
    )
    verify = commands.add_parser(
        "verify",
        help="check every byte of a bundle, and what its graph asks for",
        description="Check every byte of a bundle, and what its graph asks for.",
        epilog="example: python -m stemma.bundle verify models/package/model.zip",
    )
    for command in (predict, verify):
        command.add_argument("bundle", metavar="MODEL.zip", type=Path)
    predict.add_argument("rows", metavar="ROWS.csv", type=Path)
    predict.add_argument("--keep", metavar="COLUMN", action="append", default=[], help="write it too; '*': all of them")
    predict.add_argument(
        "--separator", metavar="CHARACTER", type=checked_separator, help="of ROWS.csv [as in training]"
    )
    predict.add_argument("--decimal", choices=(".", ","), help="the mark in numbers of ROWS.csv [as in training]")
    predict.add_argument("--encoding", metavar="NAME", help="of ROWS.csv [UTF-8, or as in training]")
    predict.add_argument(
        "--output", metavar="FILE", type=Path, help="write here instead of to the terminal; FILE.parquet: as Parquet"
    )
    predict.add_argument("--trust", action="store_true", help="run its graph without a look at it and without limits")
    return parser
