"""`stemma follow`: what a stage holds, published into a folder of versions."""

import math
import os
from pathlib import Path
from typing import Annotated

import typer

from stemma.cli.options import argument, flag, option
from stemma.text import say

DAY = 86_400


def seconds(text: object) -> float:
    """Of `5s`, `500ms` or `5`."""
    number, unit = (str(text)[:-2], 0.001) if str(text).endswith("ms") else (str(text).removesuffix("s"), 1.0)
    try:
        found = float(number) * unit
    except ValueError:
        found = math.nan
    if not 0.01 <= found <= DAY:
        raise typer.BadParameter(f"{text!s} is no time from 10ms to a day, such as 5s")
    return found


def follow(
    source: Annotated[str, argument("[SOURCE]", "A repository, a clone, or a Git URL.")] = ".",
    stage: Annotated[str, option("STAGE", "What it holds is published.")] = "prod",
    folder: Annotated[Path | None, option("FOLDER", "Of the versions. By default below ~/.local/state/stemma.")] = None,
    poll: Annotated[float, option("5s", "Between one look and the next.", parser=seconds)] = 5.0,
    once: Annotated[bool, flag("--once", "Look once, and end.")] = False,
    signed: Annotated[bool, flag("--signed", "Refuse tags without a good signature.")] = False,
    attached: Annotated[bool, typer.Option("--attached", hidden=True)] = False,
) -> None:
    """Publish the bundle of the version that a stage holds, as FOLDER/1/model.zip, FOLDER/2/model.zip, and so on.

    A promotion, a rollback and a demotion show there within seconds; every byte is verified before.

    Example: stemma follow --stage prod --folder served/shop --once
    """
    from stemma import follow as following
    from stemma.follow import passes
    from stemma.follow.source import folder_of
    from stemma.registry.names import check_stage

    check_stage(stage)
    os.environ |= passes.GIT
    asked = following.Asked(source, stage, folder or folder_of(source, stage), signed)
    if once:
        say(passes.described(asked, following.publish(asked)))
        return
    if not attached:
        passes.check(asked, lambda _: None)  # what is wrong the first pass tells
        return following.poll(asked, poll, say)
    from stemma.follow import beside

    beside.end_with_parent()
    following.poll(asked, poll, beside.note)
