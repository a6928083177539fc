"""Versions of a model, read and never changed. Each word of the command line is a module, with a function of its name.

A version is a commit whose dvc.lock pins a trained model. No training framework is needed.

- `log`      the graph of versions: `commits` finds them, `graph` draws it
- `show`     all that is known of one version; its `curves`
- `diff`     what changed between two versions
- `compare`  which of two versions is better: `predictions`, `speed`
- `best`     the best of all under `constraints`
- `experiments`  what DVC's moved
- `doctor`   what is wrong with one
- `compress`  the smallest network that loses less than a budget: the one word that keeps something, an experiment
- `export`   its network in another format; `release` its bundle, `arrays` its weights, `answers` what it says of rows

`own` runs the project's code.
"""

from stemma.versions.answers import Answers, answers
from stemma.versions.arrays import Tensors, tensors

__all__ = ["Answers", "Tensors", "answers", "tensors"]
