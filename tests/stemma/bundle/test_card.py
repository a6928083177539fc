"""The model card says what the record says, and no more."""

from typing import Any

from stemma.bundle.card import card, told_version

RECORD: dict[str, Any] = {
    "name": "shop",
    "description": "Who buys?",
    "structure": {"framework": "torch"},
    "data": {
        "source": "a|`b`.csv", "task": "multiclass", "target": "kind", "classes": ["a", "b", "c"], "features": ["x"],
        "rows": 1500, "splits": {name: {"rows": 500} for name in ("train", "validation", "test")},
    },
    "process": {"model": {"name": "mlp"}, "train": {"seed": 3}, "epochs_run": 5, "epoch_kept": 4, "init_from": None},
    "metrics": {"test": {"f1": 0.5, "roc_auc": None}},
    "weights": [{"name": "w", "shape": [3, 4], "dtype": "float32"}, {"name": "b", "shape": [], "dtype": "float32"}],
    "environment": {"device": "cpu"},
}  # fmt: skip


def test_a_record_with_no_more_than_it_must_have_makes_an_honest_card() -> None:
    text = card(RECORD)
    assert text.startswith("# shop\n\nWho buys?\n\nPredicts `kind` (multiclass) from 1 column of a table.")
    assert "13 numbers in 2 tensors" in text and "| f1 | 0.5000 |  |\n| roc_auc | not defined |  |" in text
    assert "## Intended use\n\nNot stated.\n" in text and "## Licence\n\nNot stated: ask" in text
    assert "1,500 rows of `` a|`b`.csv ``" in text
    assert "The figures have no intervals" in text and "No slices were judged" in text


def test_columns_that_the_graph_makes_are_told_and_not_asked_for() -> None:
    data = RECORD["data"] | {"features": ["h-w", "y"]}
    text = card(RECORD | {"data": data, "settings": {"data": {"derive": {"y": "`h-w` * 52"}}}})
    assert "from 1 column of a table." in text
    assert "Columns that its graph makes of others: `y` is `` `h-w` * 52 ``." in text


def test_lineage_slices_limits_and_baselines_are_told() -> None:
    figure = {"value": 0.75, "low": 0.5, "high": 0.875}
    start = {"revision": "model@v1.0.0", "commit": "abc", "taken": [], "drawn": []}
    record = {
        **RECORD,
        "licence": "MIT",
        "intended_use": "To try.",
        "limits": ["Not in winter."],
        "process": {**RECORD["process"], "init_from": start, "teacher": {"revision": "abc"}, "cut_from": [8, 4]},
        "evaluation": {
            "main": "f1",
            "test": {"f1": figure},
            "baselines": {"majority": {"test": {"f1": {"value": 0.25, "low": None, "high": None}}}},
            "slices": {"place": [{"value": "north | south", "rows": 20, "test": {"f1": figure}}]},
            "evaluate": {"calibration": "temperature"},
        },
    }
    text = card(record)
    assert "Started with the weights of `model@v1.0.0` (commit `abc`)." in text
    assert "Learned what `abc` says of the training rows, beside the truth." in text
    assert "Whole units were pruned from its hidden layers, which had `8, 4`." in text
    assert "| f1 | 0.7500 | 0.5000 to 0.8750 |" in text and "| majority | 0.2500 |  |" in text
    assert "| north \\| south | 20 | 0.7500 | 0.5000 to 0.8750 |" in text
    assert "- Not in winter.\n- Judged on rows like those above" in text
    assert not any(word in text for word in ("No slices", "no intervals", "not calibrated", "Not stated"))


def test_gaps_between_groups_and_what_worse_rows_cost_are_told() -> None:
    figure = {"value": 0.75, "low": 0.5, "high": 0.875}
    evaluation = {"main": "f1", "test": {"f1": figure}, "slices": {"place": []},
                  "fairness": {"place": {"selection_rate": figure, "calibration": dict.fromkeys(figure)}},
                  "robustness": {"changes": {"noise": figure | {"size": 0.1}}},
                  "explanation": {"effects": [{"column": "a|b", "effect": 0.25, "error": 0.01}] * 20}}  # fmt: skip
    text = card(RECORD | {"evaluation": evaluation})
    assert "| selection_rate | 0.7500 | 0.5000 to 0.8750 |" in text and "| calibration | not defined |  |" in text
    assert text.count("| a\\|b | 0.25 | 0.01 |") == 10  # the largest
    assert "How much worse f1 is where rows are worse" in text and "| noise 0.1 | 0.7500 | 0.5000 to 0.8750 |" in text


def test_training_rows_in_the_bundle_are_told_of() -> None:
    assert "The bundle holds 100 of the training rows, without the target" in card(RECORD | {"background": 100})
    assert all("training rows, without" not in card(RECORD | more) for more in ({}, {"background": 0}))


def test_the_number_of_a_version_stands_below_the_title() -> None:
    assert told_version("# shop\n\nWho?\n", "v1.0.0", "abc") == "# shop\n\nVersion v1.0.0, commit `abc`.\n\nWho?\n"
