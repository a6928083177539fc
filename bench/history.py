"""How long `stemma history` takes on 1,500 tags, beside `gto history`: a fresh process each, start-up included.

python bench/history.py [--tags 1500] [--runs 5]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from many_commits import build


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tags", type=int, default=1500)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    beside = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "repository"
        build(repository, tags=given.tags)
        print(f"{given.tags} tags; median of {given.runs} runs\n\n| command | seconds |\n| :--- | ---: |")
        for runs, *command in (
            (given.runs, "stemma", "history"),
            (given.runs, "stemma", "history", "prod"),
            (given.runs, "stemma", "history", "--json"),
            (1, "gto", "history"),
        ):
            print(f"| {' '.join(command)} | {_seconds(command, repository, beside, runs):.2f} |")


def _seconds(command: list[str], folder: Path, environment: dict[str, str], runs: int) -> float:
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


if __name__ == "__main__":
    main()
