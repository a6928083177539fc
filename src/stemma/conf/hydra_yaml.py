"""YAML as Hydra reads and writes it: 1e-3 is a number, dates are text, a key twice is an error.

OmegaConf has no public loader that leaves interpolations alone and no public dumper of one line, hence the two
imports from its `_utils`; tests/stemma/conf/test_composition.py holds them to what Hydra does.
"""

import re
from pathlib import Path
from typing import Any

from stemma.errors import SettingsError
from stemma.files import read_plain
from stemma.repo import lockfile

# What PyYAML lets through, too: `!!int ""` is an IndexError, a mapping in the place of a number a TypeError.
STRANGE = (ValueError, TypeError, AttributeError, IndexError, RecursionError)
UNQUOTED = r"""Error parsing override '\1=\2'; write '\1="\2"'"""  # where Hydra names a class of its parser
LINE_BREAK = re.compile("[\n\r\x85\u2028\u2029]")


def read_text(path: Path) -> str:
    """A file's text, its line ends as they stand; a SettingsError where it cannot be read, or is not UTF-8."""
    try:
        return read_plain(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name} cannot be read: {one_line(error)}") from error


def parse(text: str, name: str, run: str | None = None) -> Any:
    """Load YAML; a SettingsError, with `name` and the command that helps, where it is none."""
    import yaml
    from omegaconf._utils import get_yaml_loader

    try:
        return yaml.load(text, Loader=get_yaml_loader())  # noqa: S506 - a subclass of SafeLoader
    except (yaml.YAMLError, *STRANGE) as error:
        told = lockfile.MARKS if lockfile.is_merged(text) else one_line(error)
        raise SettingsError(f"{name} is not YAML: {told}", run=run) from error


def flow(value: Any, quote: str | None = None) -> str:
    """A value in one line, which Hydra reads back as the same value; `quote` is the quote of strings, if any."""
    import yaml
    from omegaconf._utils import get_omega_conf_dumper

    class Dumper(get_omega_conf_dumper()):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:
            return True

    plain = Dumper.yaml_representers[str]

    def represent(dumper: Any, text: str) -> Any:
        style = '"' if LINE_BREAK.search(text) else quote
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style) if style else plain(dumper, text)

    Dumper.add_representer(str, represent)
    dumped: str = yaml.dump(
        [value], Dumper=Dumper, default_flow_style=True, allow_unicode=True, sort_keys=False, width=float("inf")
    )
    return dumped.strip()[1:-1]


def one_line(error: BaseException, limit: int = 500) -> str:
    """An error's text in one line, without what only Hydra's own developers need."""
    while not str(error) and error.__cause__:
        error = error.__cause__
    text = str(error).split("Config search path:")[0]
    lines = [" ".join(line.split()) for line in text.splitlines()]
    told = [line for line in lines if line and not line.startswith(("See https://", "object_type="))]
    joined = re.sub("([.:]); ", r"\1 ", "; ".join(told)) or type(error).__name__
    joined = re.sub(r"LexerNoViableAltException: ([^=]+)=(.*); \^$", UNQUOTED, joined)
    return joined if len(joined) <= limit else f"{joined[:limit]}..."
