"""Stage `train`: encoded rows -> a fitted network in models/weights/, curves in reports/training/."""

from pathlib import Path

from purchase_intent.extensions.trackers import TRACKERS
from purchase_intent.extensions.training import LINES
from purchase_intent.networks import NETWORKS
from purchase_intent.settings import load
from stemma import layout
from stemma.evaluation import check
from stemma.tables import arrays, profile
from stemma.trackers.run import following
from stemma.training import fit as training
from stemma.training import narrow, networks, origin, own, record
from stemma.training.base import Given, Network, Problem, Rows
from stemma.training.settings import TrainSettings
from stemma.training.watch import watched


def main() -> None:
    settings = load()
    about = profile.read(layout.PREPARED)
    problem = Problem.of(about)
    network = networks.create(NETWORKS, settings.model, problem, settings.train.threads)
    train, validation = (arrays.read(layout.PREPARED, name) for name in ("train", "validation"))
    check.slices(settings.evaluate.slices, train.frame, about.row)  # else told when the network is trained
    training.try_out(network, train.x)
    chosen = training.settled(settings.train, train.x)
    begin, parts = start_of(network, chosen, train, about.target), own.chosen(chosen, LINES)
    given = Given(Rows(train.x, train.y), chosen, begin.tensors, parts, begin.taught, settings.runner)
    with following(settings, chosen, TRACKERS):
        with watched(layout.CURVES, chosen, problem.task.score, layout.CHECKPOINT) as watch:
            fit = training.run(network, given, Rows(validation.x, validation.y), layout.CHECKPOINT, watch)
        network.save(layout.WEIGHTS)
        record.write(layout.TRAINING, record.make(network, fit, chosen, begin, layout.WEIGHTS))
    layout.CHECKPOINT.unlink()


def start_of(network: Network, chosen: TrainSettings, train: arrays.Arrays, target: str) -> origin.Origin:
    """The tensors of the version that `train.init_from` names, and what the one that `train.teacher` names says."""
    begin = origin.Origin()
    if chosen.init_from is None and chosen.teacher is None:
        return begin
    from stemma import versions

    here = layout.home(Path.cwd())
    if chosen.init_from is not None:
        other = versions.tensors(here, chosen.init_from)
        begin = origin.of(network, chosen.init_from, other.commit, other.arrays, other.classes)
    if chosen.prune_structured is not None:
        begin = narrow.of(network, begin, chosen.prune_structured)
    if chosen.teacher is None:
        return begin
    said = versions.answers(here, chosen.teacher, train.frame, network.problem.task, target)
    return begin.taught_by(chosen.teacher, said.commit, said.predictions)
