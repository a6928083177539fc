"""`stemma conf`: compose conf/ into params.yaml, compare the two, take params.yaml back into conf/."""

from typing import Annotated

import typer

from stemma.cli.here import repository
from stemma.cli.options import argument
from stemma.cli.output import AsJson, answer
from stemma.text import say

STAGE = "settings"
app = typer.Typer(
    help="Compose conf/ into params.yaml, compare the two, or take params.yaml back into conf/.", no_args_is_help=True
)


@app.command()
def sync(
    overrides: Annotated[
        list[str] | None, argument("[OVERRIDE]...", "As for `dvc exp run -S`, such as model=keras_mlp or +train.x=1.")
    ] = None,
) -> None:
    """Write params.yaml, byte for byte as `dvc exp run` composes it from conf/.

    Example: stemma conf sync model=keras_mlp train.learning_rate=0.01
    """
    from stemma import conf
    from stemma.repo import locks

    root = repository()
    changed = conf.sync(root, overrides or ())
    say("params.yaml written" if changed else "params.yaml is up to date")
    if changed and (who := locks.running(root)):
        say(f"note: a stage runs, by {who}: what depends on an edit is refused when it ends", error=True)


@app.command()
def check(as_json: AsJson = False) -> None:
    """List the settings that differ, as `key: conf -> params`; exit 1 if there are any.

    Example: stemma conf check --json
    """
    from stemma import conf

    found = conf.differences(repository())
    told = "\n".join(map(str, found)) or "params.yaml is the composition of conf/"
    answer({"differences": [one.as_dict() for one in found]}, lambda: [told], as_json)
    raise typer.Exit(1 if found else 0)


@app.command()
def adopt() -> None:
    """Put the values of params.yaml into conf/: choices into its defaults list, others into the files that decide them.

    Comments and order stay. Where the stage `settings` had passed with these values, `dvc status` stays clean.

    Example: dvc exp apply NAME && stemma conf adopt
    """
    from stemma import conf
    from stemma.repo import inputs, tracking

    root = repository()
    passed = tracking.ran_with(root, STAGE, conf.PARAMS)
    adopted = conf.adopt(root)
    say("\n".join(str(one) for one in adopted) or "params.yaml is the composition of conf/: nothing to adopt")
    if passed:
        settled = inputs.of(root, STAGE)
        conf.guard(root)
        own = {str(each) for each in (conf.source(root).folder.relative_to(root), conf.PARAMS, conf.RECORD)}
        tracking.renew(root, STAGE, but=own, still=lambda: not settled.edited())
