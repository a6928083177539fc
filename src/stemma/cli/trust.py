"""`stemma trust`: what a repository may do on this machine."""

from typing import TYPE_CHECKING, Annotated

import typer

from stemma.cli.here import repository
from stemma.cli.options import flag
from stemma.cli.output import AsJson, answer
from stemma.errors import StemmaError

if TYPE_CHECKING:
    from stemma.repo.trust import State


def trust(
    look: Annotated[bool, flag("--show", "Say what it asks for, and whether that is trusted.")] = False,
    undo: Annotated[bool, flag("--undo", "Trust it no longer.")] = False,
    as_json: AsJson = False,
) -> None:
    """Trust this repository as it stands: its settings that could start programs, and its code up to HEAD.

    That is noted for you on this machine alone. Other settings, or code that comes later, ask anew.

    Example: stemma trust --show
    """
    from stemma.repo import trust as trusting

    if look and undo:
        raise typer.BadParameter("it does not go with --show", param_hint="--undo")
    root = repository()
    if undo and not trusting.undo(root):
        raise StemmaError(f"{root} is not trusted: there is nothing to undo")
    state = trusting.state(root) if look or undo else trusting.trust(root)
    answer(state, lambda: ["\n".join(_lines(state))], as_json)


def _lines(state: "State") -> list[str]:
    asks = [f"  {claim.source}: {', '.join(claim.keys)}" for claim in state.claims]
    if state.trusted:
        code = [] if state.commit is None else [f"  code: of {state.commit[:7]} and of what it was made from"]
        return [f"{state.path} is trusted on this machine:", *asks, *code, "undo: `stemma trust --undo`"]
    head = f"{state.path} is not trusted on this machine, as it stands"
    return [f"{head}; it asks for:", *asks] if asks else [f"{head}; its settings ask for nothing"]
