"""What a fit costs that trackers follow: `python bench/trackers.py`, two minutes."""

import json
import statistics
import sys

import page
from page import Table
from pipeline import call, capture, project

NAMES, TRIES = "[tensorboard,mlflow,wandb]", 5
STAGE = """
import json, resource, runpy, sys, time
begun, sys.argv[1:], sys.path[0] = time.perf_counter(), ["train"], "src"
runpy.run_path("src/stage.py", run_name="__main__")
spent = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([time.perf_counter() - begun, spent.ru_utime + spent.ru_stime]))
"""


def trackers() -> Table:
    """The stage `train` of the default run, alone and followed by TensorBoard, MLflow and Weights & Biases: seconds by
    the clock, where others used the cores too, and of the processor of the stage's own process; median of five."""
    told: dict[str, list[list[float]]] = {"[]": [], NAMES: []}
    with project() as folder:
        call(folder, "dvc", "repro", "prepare")
        for _ in range(TRIES):
            for names, seconds in told.items():
                call(folder, "stemma", "conf", "sync", f"train.trackers={names}")
                seconds.append(json.loads(capture(folder, sys.executable, "-c", STAGE).splitlines()[-1]))
    (clock, alone), (of_clock, followed) = (
        [statistics.median(each) for each in zip(*seconds, strict=True)] for seconds in told.values()
    )
    rows = [("by the clock", clock, of_clock, ""), ("processor", alone, followed, "<= 1.05")]
    return ["seconds", "alone", "followed by three", "ratio", "goal"], [
        [what, f"{one:.1f} s", f"{other:.1f} s", f"{other / one:.2f}", goal] for what, one, other, goal in rows
    ]


if __name__ == "__main__":
    page.main({"trackers": trackers})
