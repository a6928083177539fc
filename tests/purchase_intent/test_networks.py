"""Each network keeps what the toolkit asks of it, and the one for tables learns what a linear one cannot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from purchase_intent.networks import NETWORKS
from purchase_intent.settings import Settings
from stemma import testing, weights
from stemma.training.base import Network

pytestmark = pytest.mark.slow
QUICK = ("train.epochs=3", "train.device=cpu", "train.schedule=constant", "train.learning_rate=0.01")
Composed = Callable[..., Settings]


@pytest.mark.parametrize("name", testing.each(NETWORKS))
def test_a_network_is_fitted_kept_and_exported_to_the_same_scores(
    name: str, composed: Composed, tmp_path: Path
) -> None:
    testing.check_network(NETWORKS, composed(f"model={name}", *QUICK), tmp_path)
    assert weights.index(tmp_path / "weights").layers[-1].name == "sigmoid"


@pytest.mark.parametrize("name", testing.each(NETWORKS, "*_tabular"))
def test_the_tabular_network_does_so_for_several_classes(name: str, composed: Composed, tmp_path: Path) -> None:
    testing.check_network(NETWORKS, composed(f"model={name}", *QUICK), tmp_path, "multiclass")


@pytest.fixture
def tabular(composed: Composed, tmp_path: Path) -> Callable[[str], Network]:
    """tabular("torch_tabular"): fitted until it knows the interactions."""
    return lambda name: testing.fitted(NETWORKS, composed(f"model={name}", *QUICK, "train.epochs=12"), tmp_path)


def accuracy(network: Network) -> float:
    test = testing.rows(seed=2)
    return float(((network.predict(test.x)[:, 1] > 0.5) == test.y).mean())


@pytest.mark.parametrize("name", testing.each(NETWORKS, "*_tabular"))
def test_the_tabular_network_learns_interactions_and_stays_level_outside_the_training_rows(
    name: str, tabular: Callable[[str], Network], tmp_path: Path
) -> None:
    network = tabular(name)
    assert accuracy(network) > 0.8
    edge, far = testing.rows(count=50, seed=3).x, testing.rows(count=50, seed=3).x
    edge[:, 0], far[:, 0] = testing.rows().x[:, 0].max(), 1e9
    assert np.allclose(network.scores(edge), network.scores(far), atol=1e-5)
    network.save(tmp_path / "weights")
    stored = weights.index(tmp_path / "weights").tensors
    assert [tensor.name for tensor in stored if tensor.buffer] == ["embedding.numeric.edges"]
    edges = weights.read(tmp_path / "weights")["embedding.numeric.edges"]
    assert np.array_equal(edges[:, 0], testing.rows().x[:, :3].min(axis=0))


@pytest.mark.parametrize("name", testing.each(NETWORKS, "*_linear"))
def test_a_linear_network_does_not(name: str, composed: Composed, tmp_path: Path) -> None:
    assert accuracy(testing.fitted(NETWORKS, composed(f"model={name}", *QUICK), tmp_path)) < 0.65


@pytest.mark.parametrize("name", testing.each(NETWORKS, "*_tabular"))
def test_the_store_names_layers_alike_in_both_frameworks(name: str, composed: Composed, tmp_path: Path) -> None:
    settings = composed(f"model={name}", *QUICK, "train.epochs=1", "model.hidden=[8,4]")
    testing.fitted(NETWORKS, settings, tmp_path).save(tmp_path / "weights")
    helpers = ("encoded", "embedding", "code_1", "vector_1")  # Keras slices and joins in layers of their own
    names = [layer.name for layer in weights.index(tmp_path / "weights").layers if layer.name not in helpers]
    assert set(names[:3]) == {"embedding.plain", "embedding.numeric", "embedding.code_1"}  # side by side
    assert names[3:] == [
        "adapter", "hidden_1", "activation_1", "dropout_1", "hidden_2", "activation_2", "dropout_2", "output", "mean",
        "sigmoid",
    ]  # fmt: skip
