"""Everything that can go wrong, as one family.

    StemmaError
    |- SettingsError     conf/ or params.yaml
    |- ToolkitError      stemma.lock, vendor/, or the toolkit that is installed
    |- DataError         a table, its columns or its split
    |- TrainingError     a fit that cannot go on
    |- EvaluationError   a rule or a quality gate that predictions do not meet
    |- EntryError        what was added to a table of the toolkit
    |- WeightsError      the weights store
    |- ExportError       ONNX, parity
    |- BundleError       models/package/model.zip
    |- VersionError      a revision, or what Git and DVC keep of it
    `- MissingExtra      an optional package that is not installed

Each says what is wrong, where, and the next command:
"models/weights is not there: run `dvc checkout`".
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class StemmaError(Exception):
    """What is wrong and where, in one line.

    Args:
        what: the fault and its place, without a full stop.
        run: the command that helps, shown as "run `...`"; None where no one command does.
    """

    def __init__(self, what: str, run: str | None = None) -> None:
        self.what = what
        self.run = run
        super().__init__(f"{what}: run `{run}`" if run else what)


class SettingsError(StemmaError):
    """conf/ or params.yaml is wrong, or the two differ."""


class ToolkitError(StemmaError):
    """The toolkit that runs is not the locked one, or the lock is none."""


class DataError(StemmaError):
    """A table, its columns or its split cannot be used."""


class TrainingError(StemmaError):
    """A fit cannot start or cannot go on."""


class EvaluationError(StemmaError):
    """Predictions do not meet what a rule or the quality gate asks."""


class EntryError(StemmaError):
    """What was added to a table cannot be loaded, fails, or is not what the table holds."""


class WeightsError(StemmaError):
    """The weights store is missing, damaged or of another format."""


class ExportError(StemmaError):
    """A graph cannot be made, or does not give what the framework gives."""


class BundleError(StemmaError):
    """A bundle is missing, damaged or does not fit its input."""


class VersionError(StemmaError):
    """A revision does not exist, or a part of it is missing or damaged."""


class MissingExtra(StemmaError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed", run=f'pip install -c requirements.lock -e ".[{extra}]"')


@contextmanager
def one_line(debug: bool = False) -> Iterator[None]:
    """Turn a StemmaError into one line on stderr and exit code 1, an interrupt into one line and 130.

    Args:
        debug: show the whole trace instead. The environment's STEMMA_DEBUG=1 does the same.
    """
    try:
        yield
    except StemmaError as error:
        if debug or os.environ.get("STEMMA_DEBUG") == "1":
            raise
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        raise SystemExit(130) from None  # as shells count it: 128 + SIGINT
