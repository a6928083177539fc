"""`stemma docs`: the pages of the toolkit."""

from typing import Annotated

import typer

from stemma.errors import StemmaError


def docs(
    page: Annotated[str | None, typer.Argument(metavar="[PAGE]", help="Its name, as the list has it.")] = None,
) -> None:
    """Print a page of the toolkit's documentation; without a name, the list of the pages.

    Example: stemma docs rollback
    """
    from stemma.text import nearest
    from stemma.toolkit.distribution import contents

    pages = {path.stem: path for name, path in contents().items() if name.startswith("docs/")}
    if page is None:
        for name, path in pages.items():
            typer.echo(f"{name:14} {path.read_text(encoding='utf-8').splitlines()[0].lstrip('# ')}")
    elif page.removesuffix(".md") in pages:
        typer.echo(pages[page.removesuffix(".md")].read_text(encoding="utf-8"), nl=False)
    else:
        raise StemmaError(f"there is no page {page}{nearest(page, pages)}", run="stemma docs")
