"""Import every module of the toolkit and run every stage, in one process: each stage would import PyTorch again."""

import importlib
import os
import pkgutil
import runpy
import sys
from pathlib import Path

import stemma
from worlds import SMALL, fresh_project

for module in pkgutil.walk_packages(stemma.__path__, "stemma."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
os.chdir(fresh_project(Path(sys.argv[1]), *SMALL, "model=torch_mlp").folder)
for stage in ("settings", "prepare", "train", "compress", "evaluate", "export", "package"):
    sys.argv[1:] = [stage]
    runpy.run_path("src/stage.py", run_name="__main__")
