"""The last words of a stamp: the next three commands, as they must be typed where cookiecutter was."""

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath


def message(folder: Path, answers: Mapping[str, str], windows: bool = os.name == "nt") -> str:
    """For a shell of this system; `output_dir` may be anywhere, so the folder is named whole."""
    python = "python" if windows or shutil.which("python") else "python3"
    commands = (f"cd {quoted(folder, windows)}", f"{python} tasks.py run", f"{python} tasks.py test")
    lines = "".join(f"\n    {command}" for command in commands)
    return f"\n{answers['project_name']} is in {folder}. Next, to its first packaged network and its tests:\n{lines}\n"


def quoted(folder: Path, windows: bool) -> str:
    """A path as a shell takes it: sh, or both cmd and PowerShell."""
    if not windows:
        return shlex.quote(str(folder))
    text = str(PureWindowsPath(folder))
    return text if re.fullmatch(r"[\w.:\\-]+", text) else f'"{text}"'
