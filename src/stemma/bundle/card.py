"""The model card: Markdown made from the record, so that it says nothing that the record does not.

After M. Mitchell et al., Model Cards for Model Reporting, FAT* 2019: intended use, data, figures with intervals and by
slice, limits, lineage, licence.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stemma.compress.record import read
from stemma.text import code, counted, escaped, figure, in_digits, interval, table

Facts = Mapping[str, Any]
CARD = "README.md"
MOST = 10  # columns that are told


def card(record: Facts) -> str:
    """The page, of what version.json records."""
    parts = [
        f"# {record['name']}",
        str(record["description"]),
        _what(record),
        _compressed(record),
        "## Intended use",
        str(record.get("intended_use") or "Not stated."),
        "## Data",
        *_data(record["data"]),
        *_made(record),
        _carried(record),
        "## Figures",
        *_figures(record),
        "## Limits",
        "\n".join(f"- {line}" for line in _limits(record)),
        "## Lineage",
        *_lineage(record),
        "## Licence",
        str(record.get("licence") or "Not stated: ask whoever made it before you hand it on."),
        "## Run it",
        "`pip install -r requirements.txt`, then give `model.onnx` one tensor (rows, 1) per input that "
        "`signature.json` names. `request.json` and `response.json` are a sample; `manifest.json` holds the SHA-256 of "
        "every file.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def compressed(record: Facts) -> str | None:
    """How the network's graph was made smaller, in a line; None where it was not, or where the record is older.

    Raises:
        ValueError: the record is of another form.
    """
    told = record.get("compression")
    return str(read(told)) if told and read(told).method != "none" else None


def told_version(text: str, number: str, commit: str) -> str:
    """The page with the version's name below its title."""
    title, _, rest = text.partition("\n")
    return f"{title}\n\nVersion {number}, commit `{commit}`.\n{rest}"


def _what(record: Facts) -> str:
    data, process = record["data"], record["process"]
    tensors = record.get("weights") or ()
    count = sum(math.prod(each.get("shape") or ()) for each in tensors)
    columns = len(data["features"]) - len(_derived(record))
    return (
        f"Predicts {code(data['target'])} ({data['task']}) from {counted(columns, 'column')} of a table. "
        f"Network `{process['model']['name']}`, {counted(count, 'number')} in {counted(len(tensors), 'tensor')}."
    )


def _compressed(record: Facts) -> str:
    line = compressed(record)
    return f"Its graph was compressed before it was judged: {escaped(line)}." if line else ""


def _data(data: Facts) -> Iterable[str]:
    splits = data["splits"]
    used = {"train": "to train", "validation": "to choose", "test": "to judge"}
    parts = ", ".join(f"{splits[name]['rows']:,} {what}" for name, what in used.items() if name in splits)
    yield f"{counted(data['rows'], 'row')} of {code(data['source'])}: {parts}."
    if data.get("classes"):
        yield f"Classes: {', '.join(map(code, data['classes']))}."
    yield from _chosen(data)
    sha256 = (data.get("content") or {}).get("sha256")
    if sha256:
        yield f"SHA-256 of the table's names, types and values: `{sha256}`."


def _derived(record: Facts) -> Mapping[str, str]:
    return (record.get("settings") or {}).get("data", {}).get("derive") or {}


def _made(record: Facts) -> Iterable[str]:
    told = ", ".join(f"{code(name)} is {code(text)}" for name, text in _derived(record).items())
    if told:
        yield f"Columns that its graph makes of others: {told}."


def _carried(record: Facts) -> str:
    rows = record.get("background")
    return f"The bundle holds {rows:,} of the training rows, without the target (`background.json`)." if rows else ""


def _chosen(data: Facts) -> Iterable[str]:
    """Which rows were learned from and as what, where settings said so."""
    if data.get("left_out"):
        left_out = (f"{counted(rows, 'row')} by {code(why)}" for why, rows in data["left_out"].items())
        yield f"Left out: {', '.join(left_out)}."
    if data.get("keep"):
        told = ", ".join(f"{code(condition)} ({escaped(why)})" for why, condition in data["keep"].items())
        yield f"Rows to learn from and to judge by are those where {told}. It answers for others too, unjudged."
    for name, some in (data.get("merge") or {}).items():
        yield f"The class {code(name)} is {', '.join(map(code, some))} too."
    if data.get("target_log"):
        yield "It learned the logarithm of the target; predictions and all figures are in the target's own units."


def _figures(record: Facts) -> Iterable[str]:
    evaluation, rows = record.get("evaluation") or {}, record["data"]["splits"]["test"]["rows"]
    test = evaluation.get("test") or {name: {"value": value} for name, value in record["metrics"]["test"].items()}
    yield f"On {counted(rows, 'test row')}, with 95 % intervals where they were computed:"
    yield _table(("metric", "value", "95 % interval"), (_row(name, test[name]) for name in sorted(test)))
    baselines = evaluation.get("baselines") or {}
    main = evaluation.get("main")
    if main in test and baselines:
        yield f"Beside other models on the same rows, {main}:"
        found = {name: each["test"][main] for name, each in sorted(baselines.items()) if main in each["test"]}
        yield _table(("model", "value", "95 % interval"), (_row(name, each) for name, each in found.items()))
    for column, slices in sorted((evaluation.get("slices") or {}).items()):
        yield f"By {code(column)}:"
        yield _sliced(slices, main)
        if gaps := (evaluation.get("fairness") or {}).get(column):
            yield "How far rates are apart between these, with intervals for all pairs at once:"
            yield _table(("rate", "gap", "95 % interval"), (_row(name, gap) for name, gap in gaps.items()))
    if effects := (evaluation.get("explanation") or {}).get("effects"):
        yield "What columns add to an answer, the mean size over test rows (Shapley values), and its standard error:"
        told = ((escaped(each["column"]), in_digits(each["effect"]), f"{each['error']:.2g}") for each in effects[:MOST])
        yield _table(("column", "mean size", "error"), told)
    if changes := (evaluation.get("robustness") or {}).get("changes"):
        yield f"How much worse {main} is where rows are worse (shares of values, or of a column's deviation):"
        lines = (_row(f"{name} {each['size']:g}", each) for name, each in changes.items())
        yield _table(("change", "worse by", "95 % interval"), lines)


def _sliced(slices: Sequence[Facts], main: Any) -> str:
    """One line a slice: rows, and the main metric."""
    lines = (
        (escaped(each["value"]), f"{each['rows']:,}", *_row("", each["test"].get(main) or {})[1:]) for each in slices
    )
    return _table(("value", "rows", str(main), "95 % interval"), lines)


def _limits(record: Facts) -> Iterable[str]:
    yield from record.get("limits") or ()
    evaluation = record.get("evaluation") or {}
    yield "Judged on rows like those above, of one split; on other rows these figures promise nothing."
    if not evaluation.get("slices"):
        yield "No slices were judged: how it does for a part of the rows is not known (`evaluate.slices`)."
    if not any(each.get("low") is not None for each in (evaluation.get("test") or {}).values()):
        yield "The figures have no intervals (`evaluate.bootstrap`)."
    if record["data"]["task"] != "regression" and (evaluation.get("evaluate") or {}).get("calibration") == "none":
        yield "Its probabilities were not calibrated (`evaluate.calibration`)."


def _lineage(record: Facts) -> Iterable[str]:
    process, environment = record["process"], record.get("environment") or {}
    start, teacher = process.get("init_from"), process.get("teacher")
    if start:
        yield f"Started with the weights of {_named(start)}."
    else:
        yield "Started with random weights, not with those of an earlier version."
    if teacher:
        yield f"Learned what {_named(teacher)} says of the training rows, beside the truth."
    if before := process.get("cut_from"):
        yield f"Whole units were pruned from its hidden layers, which had {code(', '.join(map(str, before)))}."
    seed = (process.get("train") or {}).get("seed")
    yield (
        f"{counted(process['epochs_run'], 'epoch')}, weights of epoch {process['epoch_kept']}, seed {seed}, on "
        f"{environment.get('device', 'a device that is not known')}; packages and settings are in `version.json`."
    )


def _named(version: Facts) -> str:
    commit = f" (commit {code(version['commit'])})" if version.get("commit") else ""
    return f"{code(version.get('revision'))}{commit}"


def _row(name: str, found: Facts) -> tuple[str, str, str]:
    value, low, high = (found.get(key) for key in ("value", "low", "high"))
    return name, "not defined" if value is None else figure(value), interval(low, high)


def _table(headers: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(table(headers, rows, range(len(headers))))
