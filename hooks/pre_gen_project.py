"""Before anything is written: the answers once more (--replay asks nothing), and nothing of anyone's is overwritten."""

import json
import sys
from pathlib import Path

ROOT, ANSWERS = json.loads(r"""[{{ template_root() | tojson }}, {{ cookiecutter | tojson }}]""")
sys.dont_write_bytecode = True
sys.path.insert(0, ROOT)

from template import hook  # noqa: E402

hook.before(Path(ROOT), Path.cwd(), ANSWERS)
