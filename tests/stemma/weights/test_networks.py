"""Networks of both frameworks as tensors and layers, through a weights store and back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stemma import weights
from stemma.errors import WeightsError
from stemma.weights.networks import keras_model


def torch_network() -> Any:
    """Tied weights, a buffer, a module in a module, bfloat16, an integer."""
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(20, 8)
            self.block = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Dropout(0.2), nn.BatchNorm1d(6))
            self.half = nn.Linear(6, 8, bias=False).to(torch.bfloat16)
            self.output = nn.Linear(8, 20, bias=False)
            self.output.weight = self.embedding.weight
            self.scale = nn.Parameter(torch.tensor(0.5))

    torch.manual_seed(0)
    return Network()


def keras_network() -> Any:
    """A functional model with normalisation and a model in the model."""
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(0)
    encoded = x = keras.Input((5,), name="encoded")
    x = layers.Dense(4, name="hidden_1")(x)
    x = layers.BatchNormalization(name="normalised")(x)
    x = layers.Dropout(0.1, name="dropout_1")(x)
    x = keras.Sequential([layers.Dense(3, activation="relu", name="dense")], name="inner")(x)
    return keras.Model(encoded, layers.Dense(1, name="output")(x), name="network")


def store_keras(model: Any, folder: Path) -> weights.Index:
    return weights.write(
        folder,
        weights.keras_tensors(model),
        framework="tensorflow",
        layers=weights.keras_layers(model),
        buffers=weights.keras_buffers(model),
        config=model.get_config(),
    )


# PyTorch.


def test_a_state_dict_comes_back_with_types_and_ties(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    network = torch_network()
    weights.write(
        tmp_path / "w",
        weights.torch_tensors(network),
        framework="torch",
        layers=weights.torch_layers(network),
        buffers=[name for name, _ in network.named_buffers()],
    )
    state = weights.to_state_dict(tmp_path / "w")
    expected = network.state_dict()
    assert list(state) == list(expected)
    for name, tensor in expected.items():
        assert state[name].dtype == tensor.dtype and torch.equal(state[name], tensor), name
    assert state["output.weight"].data_ptr() == state["embedding.weight"].data_ptr()
    other = torch_network()
    torch.nn.init.zeros_(other.scale)
    other.load_state_dict(state)
    assert torch.equal(other.scale, network.scale)


def test_pytorch_layers_are_told_in_order_with_kind_and_settings() -> None:
    layers = weights.torch_layers(torch_network())
    assert [(layer.name, layer.kind) for layer in layers] == [
        ("", "network"),
        ("embedding", "embedding"),
        ("block.0", "linear"),
        ("block.1", "relu"),
        ("block.2", "dropout"),
        ("block.3", "batchnorm1d"),
        ("half", "linear"),
        ("output", "linear"),
    ]
    settings = {layer.name: layer.settings for layer in layers}
    assert settings["block.0"] == {"in_features": 8, "out_features": 6}
    assert settings["block.2"] == {"inplace": False, "p": 0.2}


def test_tensors_of_pytorch_share_the_memory_of_the_network() -> None:
    network = torch_network()
    tensors = weights.torch_tensors(network)
    assert tensors["output.weight"] is tensors["embedding.weight"]
    assert tensors["block.0.bias"].ctypes.data == network.block[0].bias.data_ptr()


# Keras.


def test_a_keras_model_comes_back_and_predicts_the_same(tmp_path: Path) -> None:
    model = keras_network()
    store_keras(model, tmp_path / "w")
    x = np.random.default_rng(0).random((7, 5)).astype(np.float32)
    model(x, training=True)  # moves the buffers
    model.get_layer("hidden_1").trainable = False
    index = store_keras(model, tmp_path / "w")
    again = weights.to_keras(tmp_path / "w")
    assert np.array_equal(model(x), again(x))
    assert [t.name for t in index.tensors if t.buffer] == ["normalised.moving_mean", "normalised.moving_variance"]


def test_keras_tensors_are_named_by_layer_and_variable() -> None:
    assert list(weights.keras_tensors(keras_network())) == [
        *("hidden_1.kernel", "hidden_1.bias"),
        *("normalised.gamma", "normalised.beta", "normalised.moving_mean", "normalised.moving_variance"),
        *("inner.dense.kernel", "inner.dense.bias", "output.kernel", "output.bias"),
    ]


@pytest.mark.parametrize("name", ["network", "first"])
def test_names_do_not_depend_on_how_a_sequential_model_was_built(tmp_path: Path, name: str) -> None:
    keras = pytest.importorskip("keras")
    parts = [keras.Input((4, 3)), keras.layers.MultiHeadAttention(2, 3, name="second")]
    model = keras.Sequential(
        [parts[0], keras.layers.LSTM(3, name="first"), keras.layers.Dense(1, name="out")], name=name
    )
    names = list(weights.keras_tensors(model))
    assert names[:1] == ["first.lstm_cell.kernel"] and names[-1] == "out.bias"
    store_keras(model, tmp_path / "w")
    again = weights.to_keras(tmp_path / "w")
    assert type(again) is keras.Sequential and again.name == name
    assert list(weights.keras_tensors(again)) == names


def test_keras_layers_are_told_in_order_with_kind_and_settings() -> None:
    layers = weights.keras_layers(keras_network())
    assert [(layer.name, layer.kind) for layer in layers] == [
        ("hidden_1", "dense"),
        ("normalised", "batchnormalization"),
        ("dropout_1", "dropout"),
        ("inner.dense", "dense"),
        ("output", "dense"),
    ]
    assert layers[0].settings == {"activation": "linear", "units": 4, "use_bias": True}
    assert layers[2].settings == {"rate": 0.1}


def test_tensors_of_another_keras_network_are_refused_and_nothing_is_set() -> None:
    model = keras_network()
    tensors = {name: tensor + 1 for name, tensor in weights.keras_tensors(model).items()}
    del tensors["output.bias"]
    tensors |= {"more": np.ones(1), "hidden_1.bias": np.ones(5)}
    with pytest.raises(WeightsError) as error:
        weights.set_keras_tensors(model, tensors)
    assert str(error.value) == (
        "the weights are of another network: tensor 'output.bias' is missing, 'more' is too many, "
        "'hidden_1.bias' has shape (5,), not (4,)"
    )
    assert not np.array_equal(weights.keras_tensors(model)["hidden_1.kernel"], tensors["hidden_1.kernel"])


def test_two_keras_tensors_of_one_name_are_refused() -> None:
    keras = pytest.importorskip("keras")

    class Twice(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.one = self.add_weight(shape=(1,), name="w")
            self.two = self.add_weight(shape=(1,), name="w")

    model = keras.Sequential([keras.Input((1,)), Twice(name="layer")])
    with pytest.raises(WeightsError, match=r"two tensors named 'layer\.w': rename one of the layers"):
        weights.keras_tensors(model)


def test_a_lambda_is_refused_wherever_it_hides(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    inner = keras.Sequential([keras.Input((1,)), keras.layers.Lambda(lambda x: x)], name="inner")
    model = keras.Sequential([keras.Input((1,)), inner])
    store_keras(model, tmp_path / "w")
    with pytest.raises(WeightsError, match="has a Lambda layer, which is Python code and is not run"):
        weights.to_keras(tmp_path / "w")


@pytest.mark.parametrize(
    "layer",
    [
        {"module": "os", "class_name": "system", "config": {}, "registered_name": None},
        {"module": "builtins", "class_name": "eval", "config": {}, "registered_name": None},
        {"module": "keras.utils", "class_name": "get_file", "config": {}, "registered_name": None},
    ],
)
def test_a_config_that_names_other_code_is_refused(tmp_path: Path, layer: dict[str, Any]) -> None:
    pytest.importorskip("keras")
    store_keras(keras_network(), tmp_path / "w")
    path = tmp_path / "w/index.json"
    content = json.loads(path.read_text())
    content["config"]["layers"][1] |= layer
    path.write_text(json.dumps(content))
    with pytest.raises(WeightsError, match="the Keras model cannot be built from its config") as error:
        weights.to_keras(tmp_path / "w")
    assert "\n" not in str(error.value)


def test_a_store_of_a_keras_model_with_other_tensors_is_refused(tmp_path: Path) -> None:
    model = keras_network()
    tensors = weights.keras_tensors(model)
    del tensors["output.bias"]
    weights.write(tmp_path / "w", tensors, framework="tensorflow", layers=(), config=model.get_config())
    with pytest.raises(WeightsError, match=r"of another network: tensor 'output\.bias' is missing"):
        weights.to_keras(tmp_path / "w")


def test_a_keras_layer_whose_module_is_not_imported_is_named_with_its_module() -> None:
    pytest.importorskip("keras")
    layer = {"module": "somewhere.layers", "class_name": "Own", "registered_name": "somewhere>Own", "config": {}}
    with pytest.raises(WeightsError, match=r"layers of its own: import somewhere\.layers before"):
        keras_model({"name": "network", "layers": [layer], "input_layers": []})
