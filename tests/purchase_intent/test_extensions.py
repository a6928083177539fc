"""What is your own keeps what the toolkit asks of it; docs/extending.md tells how to add each."""

from collections.abc import Callable
from pathlib import Path

import pytest

from purchase_intent.extensions.baselines import BASELINES
from purchase_intent.extensions.checks import CHECKS
from purchase_intent.extensions.formats import FORMATS
from purchase_intent.extensions.metrics import METRICS
from purchase_intent.extensions.trackers import TRACKERS
from purchase_intent.extensions.training import LINES
from purchase_intent.networks import NETWORKS
from purchase_intent.settings import Settings
from stemma import testing

pytestmark = pytest.mark.unit
FIRST = next(iter(NETWORKS))


def test_metrics_know_which_way_is_better_and_count_weights_of_rows() -> None:
    for name in METRICS:
        testing.check_metric(METRICS, name)


def test_networks_are_fitted_by_losses_optimizers_and_schedules(
    composed: Callable[..., Settings], tmp_path: Path
) -> None:
    for part in ("loss", "optimizer", "schedule"):
        for name in getattr(LINES, part):
            settings = composed(f"model={FIRST}", "train.epochs=3", "train.device=cpu", f"train.{part}={name}")
            testing.check_network(NETWORKS, settings, tmp_path, parts=LINES)


@pytest.mark.parametrize(
    "table", [BASELINES, CHECKS, FORMATS, TRACKERS], ids=["baselines", "checks", "formats", "trackers"]
)
def test_other_lines_name_what_is_there(table: dict) -> None:
    for entry in table.values():
        assert entry.load() is not None
