"""The command `stemma`: parses the command line, calls the toolkit, prints.

What goes wrong is one line on stderr and exit code 1; wrong usage is exit code 2. An interrupt is one line too, also
during imports: so there are none here.
"""

from stemma.errors import StemmaError, one_line


def main() -> None:
    with one_line():
        try:
            from stemma.cli.words import app

            app()
        except SystemExit as end:
            cause = getattr(end.__context__, "__cause__", None)
            raise cause if isinstance(cause, KeyboardInterrupt) else end from None  # Typer says nothing of it
        except ModuleNotFoundError as error:
            if str(error.name).startswith("stemma"):
                raise
            raise StemmaError(f"{error.name} is not installed", run="python tasks.py install") from error
