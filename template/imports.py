"""Import lines after the package has another name: in order again and within the line, as ruff has them."""

import re

LIMIT = 120
STATEMENT = re.compile(
    r"^(?P<indent> *)from (?P<module>[\w.]+) import (?P<names>\((?:\n.*?)+?\n *\)|[^(\n]+)\n", re.MULTILINE
)


def sorted_again(text: str, package: str) -> str:
    """The text with each run of `from ... import ...` lines that holds the package sorted by module."""
    statements = list(STATEMENT.finditer(text))
    runs: list[list[re.Match[str]]] = []
    for statement in statements:
        follows = runs and runs[-1][-1].end() == statement.start() and runs[-1][-1]["indent"] == statement["indent"]
        if follows:
            runs[-1].append(statement)
        else:
            runs.append([statement])
    for run in reversed(runs):
        if any(statement["module"].split(".")[0] == package for statement in run):
            ordered = sorted(run, key=lambda statement: statement["module"])
            lines = "".join(_wrapped(statement) for statement in ordered)
            text = text[: run[0].start()] + lines + text[run[-1].end() :]
    return text


def _wrapped(statement: re.Match[str]) -> str:
    """One line where it fits, else one name a line."""
    line = statement[0]
    if len(line) - 1 <= LIMIT or "\n" in line[:-1] or "#" in line:
        return line
    indent, names = statement["indent"], [name.strip() for name in statement["names"].split(",")]
    inner = "".join(f"{indent}    {name},\n" for name in names)
    return f"{indent}from {statement['module']} import (\n{inner}{indent})\n"
