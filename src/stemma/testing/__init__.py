"""What the tests of a project need. docs/testing.md shows each.

projects.py    the project as a repository of its own, run once and shared: `Project`, `fresh`, `trained`, `params`
contracts.py   what the toolkit asks of networks, sources and metrics: `check_network`, `check_source`, `check_metric`

    from stemma import testing

    def test_my_network_keeps_what_it_promises(tmp_path):
        settings = load(testing.params(ROOT, tmp_path, "model=mine", "train.epochs=3"))
        testing.check_network(NETWORKS, settings, tmp_path)
"""

from stemma.testing.contracts import check_metric, check_network, check_source, each, fitted, rows
from stemma.testing.projects import Project, choose_a_table, copied, fresh, params, trained

__all__ = [
    "Project", "check_metric", "check_network", "check_source", "choose_a_table", "copied", "each", "fitted", "fresh",
    "params", "rows", "trained",
]  # fmt: skip
