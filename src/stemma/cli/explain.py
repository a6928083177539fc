"""`stemma explain`: why a version answers as it does."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemma.cli.here import repository
from stemma.cli.options import argument, flag, option
from stemma.cli.output import AsJson, answer, of_document
from stemma.cli.written import Decimal, Encoding, Separator
from stemma.cli.written import rows as table
from stemma.text import say

if TYPE_CHECKING:
    from stemma.bundle import Bundle, Rows
    from stemma.report.document import Document

MOST = 10  # rows of ROWS


def explain(
    which: Annotated[str, argument("REV|BUNDLE", "A version, or the file of a bundle.")],
    rows: Annotated[Path | None, argument("[ROWS]", "Why these rows are answered so: CSV, .parquet, .arrow.")] = None,
    method: Annotated[
        list[str] | None, option("NAME", "shap, linear, permutation, dependence, surrogate or counterfactual; repeat.")
    ] = None,
    count: Annotated[int | None, option("N", "Of ROWS the first N [10].", "--rows", min=1, max=100_000)] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of what is drawn.")] = 0,
    output: Annotated[str | None, option("NAME", "The class that is explained.", "--class")] = None,
    keep: Annotated[list[str] | None, option("COLUMN", "Not to be changed by a counterfactual; repeatable.")] = None,
    background: Annotated[Path | None, option("DATA", "Rows to compare with; by default those in the bundle.")] = None,
    separator: Separator = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    html: Annotated[Path | None, option("FILE", "Write a page with pictures.")] = None,
    trust: Annotated[bool, flag("--trust", "Run a bundle's graph without limits.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say why a version answers as it does: on the whole, or each of some rows.

    Example: stemma explain HEAD rows.csv --method shap --method counterfactual --html why.html
    """
    from stemma.bundle.explain import MOST as ALL
    from stemma.bundle.explain import Subject, explained
    from stemma.explain import SHAP, Asked
    from stemma.files import check_place
    from stemma.report.explanation import document

    if html is not None:
        check_place(html, {"rows": rows, "bundle": Path(which), "background": background})
    if rows is None and background is None and any((separator, decimal, encoding)):
        raise typer.BadParameter(
            "they say how ROWS or --background is written", param_hint="--separator, --decimal, --encoding"
        )
    bundle, usual = _opened(which, trust)
    read = partial(table, separator=separator, decimal=decimal, encoding=encoding)
    beside = usual if background is None else read(background)
    subject = Subject(None, count or ALL, beside) if rows is None else Subject(read(rows), count or MOST, beside)
    found = explained(bundle, method or [SHAP], subject, Asked(seed, output, tuple(keep or ())))
    if rows is None:  # the whole is asked for: why each row of the background is answered so is not
        found = [each | {"reasons": ()} for each in found]
    told = document(which, bundle.signature.target, found)
    if html is not None:
        _write(html, told, found)
        say(f"{html}: {', '.join(each['method'] for each in found)}", error=as_json)
    if as_json or html is None:
        answer({"explained": which, "explanations": found}, lambda: of_document(told), as_json)


def _write(page: Path, told: "Document", found: list[dict[str, Any]]) -> None:
    from stemma.files import write_text
    from stemma.report.document import html
    from stemma.report.explanation import pictures

    write_text(page, html(told, pictures(found)))


def _opened(which: str, trust: bool) -> "tuple[Bundle, Rows | None]":
    """A bundle, and where it holds no rows to compare with, the version's training rows."""
    from stemma import layout
    from stemma.bundle import Rows, open_bundle

    if which.endswith(".zip") or Path(which).is_file():
        return open_bundle(Path(which), trust), None
    from stemma.repo.repository import opened
    from stemma.versions.predictions import bundle_of

    version, path = opened(repository()).version(which), layout.rows("train")
    bundle = replace(bundle_of(version), trusted=trust)
    return bundle, None if bundle.background else Rows(path, content=version.bytes(path.as_posix()))
