"""Where independent pieces of work run. What a piece gives depends on its arguments alone, wherever that is.

base.py    what a runner is, and a gang of workers
local.py   processes of this machine, for jobs
gang.py    and for workers that are called again and again, all together
ray.py     machines of a cluster, for both; driver.py is the process in which Ray itself is

with runners.chosen("local") as runner:
    results = runner.run(function_of_a_module, jobs, names, at_once=2)
"""

from stemma.entries import Entry
from stemma.runners.base import Died, Gang, Job, Place, Runner, workplace

__all__ = ["ADDRESS", "RUNNERS", "Died", "Gang", "Job", "Place", "Runner", "chosen", "workplace"]

ADDRESS = r"^([\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}$"  # of a cluster; that of IPv6 in brackets, as in a URL
RUNNERS = {"local": Entry("stemma.runners.local:Local"), "ray": Entry("stemma.runners.ray:Ray", extra="ray")}


def chosen(name: str, address: str | None = None) -> Runner:
    """The runner of this name, to be opened by `with`.

    Args:
        address: of its cluster, where it has one.

    Raises:
        MissingExtra: a package that it needs is not installed.
    """
    made: Runner = RUNNERS[name].load()(address)
    return made
