"""params.yaml of a new project: composed from its conf/ as Hydra would, without Hydra (a test compares the two)."""

from collections.abc import Mapping
from typing import Any

import yaml


def composed(texts: Mapping[str, str], own: Mapping[str, str]) -> str:
    """params.yaml for the choices in conf/config.yaml, the values in the order in which DVC writes them.

    A choice without its file is a table that is yet to be described; its settings are those of conf/data/csv.yaml, but
    for what is known of one's own.
    """
    config = _load(texts["conf/config.yaml"])
    values = {key: value for key, value in config.items() if key != "defaults"}
    for choice in config["defaults"]:
        if choice != "_self_":
            ((group, option),) = choice.items()
            if option is not None:
                file = f"conf/{group}/{option}.yaml"
                values[group] = _load(texts[file]) if file in texts else _load(texts["conf/data/csv.yaml"]) | own
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _load(text: str) -> Any:
    """By the loader in C, where PyYAML has it: a tenth of the time."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe


def scalar(text: str) -> str:
    """A text as a YAML value in one line."""
    return yaml.safe_dump({"key": text}, allow_unicode=True, width=float("inf")).removeprefix("key: ").rstrip("\n")
