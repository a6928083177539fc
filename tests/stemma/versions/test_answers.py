"""What a version says of rows, for a network that learns from it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bundles
from stemma.bundle import archive
from stemma.errors import VersionError
from stemma.task import of
from stemma.versions import answers
from version_worlds import World, new, parts

FRAME = pd.DataFrame({"Month": ["May", "Nov", ""], "PageValues": [0.5, 3.0, np.nan], "Weekend": [1.0, 0.0, np.nan],
                      "More": [1, 2, 3]})  # fmt: skip
SAYS = 1 / (1 + np.exp(-np.array([1 + 0.5 + 1, 2 + 3 + 0, 3 + 0.25 + 0.5])))  # as bundles.graph has it


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder: Path = tmp_path_factory.mktemp("answers")
    archive.build(folder / "model.zip", bundles.contents())
    made = new(folder / "world")
    archive.build(folder / "values.zip", bundles.contents(bundles.REGRESSION, output="prediction", width=1))
    made.version("values", parts(bundle=(folder / "values.zip").read_bytes()))
    made.version("first", parts(bundle=(folder / "model.zip").read_bytes()))
    made.version("second", parts(bundle=b"another"))
    return made


def test_a_version_answers_with_its_commit_and_its_classes_in_the_order_asked_for(world: World) -> None:
    found = answers(world.folder, "HEAD~1", FRAME, of("binary", ("FALSE", "TRUE"), "TRUE"))
    assert found.commit == world.ok("git", "rev-parse", "HEAD~1").strip()
    assert np.allclose(found.predictions[:, 1], SAYS, atol=1e-6)
    turned = answers(world.folder, "HEAD~1", FRAME, of("binary", ("TRUE", "FALSE"), "FALSE"))
    assert np.array_equal(turned.predictions, found.predictions[:, ::-1])


def test_a_version_that_predicts_another_column_teaches_nothing(world: World) -> None:
    task = of("binary", ("FALSE", "TRUE"), "TRUE")
    assert len(answers(world.folder, "HEAD~1", FRAME, task, "Revenue").predictions) == 3
    with pytest.raises(VersionError, match=r"another question, binary \(FALSE, TRUE\) of 'Revenue', so nothing"):
        answers(world.folder, "HEAD~1", FRAME, task, "Churn")


def test_a_version_that_says_what_has_no_logarithm_teaches_no_network_that_learns_one(world: World) -> None:
    learns, below = of("regression", log=(0.0, 1.0)), FRAME.assign(PageValues=[0.5, -300.0, -400.0])
    assert (answers(world.folder, "HEAD~2", FRAME, learns).predictions > 0).all()
    assert len(answers(world.folder, "HEAD~2", below, of("regression")).predictions) == 3
    with pytest.raises(VersionError, match=r"HEAD~2 says 0 or less of 2 rows, .*transform_target"):
        answers(world.folder, "HEAD~2", below, learns)


@pytest.mark.parametrize(
    ("frame", "task", "told"),
    [
        (FRAME, of("binary", ("no", "yes"), "yes"), r"answers another question, binary \(FALSE, TRUE\)"),
        (FRAME, of("regression"), "answers another question"),
        (FRAME.drop(columns="Month"), of("binary", ("FALSE", "TRUE"), "TRUE"), "does not have: Month"),
        (FRAME.assign(PageValues="dear"), of("binary", ("FALSE", "TRUE"), "TRUE"), "column for another type"),
    ],
)
def test_a_version_that_cannot_answer_is_refused_in_a_line(
    world: World, frame: pd.DataFrame, task: object, told: str
) -> None:
    with pytest.raises(VersionError, match=told) as caught:
        answers(world.folder, "HEAD~1", frame, task)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
