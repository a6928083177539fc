"""conf/ <-> params.yaml. conf/ is the source of the settings, params.yaml its composition, which DVC's stages read.

- `composition`  conf/ -> params.yaml, by DVC's own function; the guard of `dvc repro`
- `adoption`     params.yaml -> conf/
- `difference`   what the two disagree on
- `pins`         what a setting names outside the commit must not move
- `hydra_yaml`   YAML as Hydra reads and writes it
- `yaml_edit`    change one value of a YAML text and no other byte

    sync(root)           write params.yaml
    differences(root)    what conf/ and params.yaml disagree on
    adopt(root)          put the values of params.yaml into conf/
    origin(root, key)    the file in conf/ that decides a setting
    guard(root)          stop a run whose params.yaml is not what conf/ says
"""

from stemma.conf.adoption import adopt
from stemma.conf.composition import (
    PARAMS,
    PASSED,
    RECORD,
    choices,
    compose,
    differences,
    guard,
    origin,
    params,
    source,
    sync,
)

__all__ = [
    "PARAMS", "PASSED", "RECORD", "adopt", "choices", "compose", "differences", "guard", "origin", "params", "source",
    "sync",
]  # fmt: skip
