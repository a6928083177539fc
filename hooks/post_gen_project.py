"""Stamps the project's files, and says what to type next."""

import json
import sys
from pathlib import Path

ROOT, ANSWERS = json.loads(r"""[{{ template_root() | tojson }}, {{ cookiecutter | tojson }}]""")
sys.dont_write_bytecode = True
sys.path.insert(0, ROOT)

from template import hook  # noqa: E402

hook.after(Path(ROOT), Path.cwd(), ANSWERS)
