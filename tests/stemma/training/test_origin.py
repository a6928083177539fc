"""What a network takes from another version, and what it draws."""

import numpy as np
import pytest

from fits import EACH, PROBLEMS, tiny
from stemma.errors import TrainingError
from stemma.training import origin


@pytest.mark.parametrize("framework", EACH)
@pytest.mark.parametrize("classes", [["a", "c", "b"], ["a", "b", "d"]])
def test_what_turns_units_into_other_classes_is_drawn(
    framework: str, classes: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    network = tiny(framework, PROBLEMS["multiclass"])
    tensors = network.tensors()
    output = sorted(name for name in tensors if name.startswith("output."))
    found = origin.of(network, "model@v1.0.0", "1234", tensors, classes)
    assert sorted(found.tensors) == sorted(tensors.keys() - output) and found.told["drawn"] == output
    assert f"; drawn, for it has other classes: {', '.join(output)}\n" in capsys.readouterr().out
    for same in (["a", "b", "c"], None):  # an older version may not tell
        assert origin.of(network, "model@v1.0.0", "1234", tensors, same).tensors.keys() == tensors.keys()
    with pytest.raises(TrainingError, match=r"no tensor of model@v1\.0\.0 has a name and shape of this network(?!,)"):
        origin.of(network, "model@v1.0.0", "1234", {"other": np.zeros(3, np.float32)})
    alone = {name: tensors[name] for name in output}
    with pytest.raises(TrainingError, match="has a name and shape of this network, but for the last layer, for"):
        origin.of(network, "model@v1.0.0", "1234", alone, classes)
