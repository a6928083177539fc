"""`stemma docs`: the pages of the toolkit."""

from pathlib import Path
from typing import Annotated

from stemma.cli.options import argument
from stemma.errors import StemmaError

EXAMPLE = "purchase_intent"  # the package of the project that the pages were written in


def docs(page: Annotated[str | None, argument("[PAGE]", "Its name, as the list has it.")] = None) -> None:
    """Print a page of the toolkit's documentation; without a name, the list of the pages.

    In a project, paths and imports are those of its own package.

    Example: stemma docs rollback
    """
    from stemma.text import nearest, say
    from stemma.toolkit.distribution import contents

    pages = {path.stem: path for name, path in contents().items() if name.startswith("docs/")}
    if page is None:
        for name, path in pages.items():
            say(f"{name:14} {path.read_text(encoding='utf-8').splitlines()[0].lstrip('# ')}")
    elif page.removesuffix(".md") in pages:
        text = pages[page.removesuffix(".md")].read_text(encoding="utf-8")
        say(text.replace(EXAMPLE, _package()).rstrip("\n"))
    else:
        raise StemmaError(f"there is no page {page}{nearest(page, pages)}", run="stemma docs")


def _package() -> str:
    """The package of the project that this folder lies in; the example's where it lies in none."""
    here = Path.cwd()
    homes = (home for folder in (here, *here.parents) for home in sorted(folder.glob("src/*/stages")))
    return next((home.parent.name for home in homes), EXAMPLE)
