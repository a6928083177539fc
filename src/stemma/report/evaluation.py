"""The report: evaluation.json told to a person, as a document."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from stemma import layout
from stemma.evaluation.baselines import NETWORK, title
from stemma.evaluation.fairness import FEWEST
from stemma.evaluation.results import rate
from stemma.evaluation.threshold import FOUND
from stemma.metrics import METRICS, label
from stemma.metrics.resampling import affordable
from stemma.report import explanation
from stemma.report.document import Chart, Document, Section, Table
from stemma.task import KINDS
from stemma.text import by_number, counted, figure, interval

RULES = {
    "fixed": "set by hand", "f1": "the greatest F1", "macro_f1": "the greatest mean F1 of both classes",
    "youden": "the greatest recall + specificity - 1",
    "cost": "the least cost", "recall_at_precision": "the greatest recall at the precision asked for",
}  # fmt: skip
CHANGES = {
    "noise": "noise of {0:g} deviations", "missing": "{1:g} % of the values missing",
    "shift": "shifted by {0:g} deviations", "unknown": "{1:g} % of the texts never seen",
}  # fmt: skip
FEW_CLASSES = 4  # of which a matrix shows shares too
MOST_CLASSES = 15  # shown as a matrix; of more, the most frequent confusions
MOST_CONFUSIONS = 20
Told = Mapping[str, Any]


def write(told: Told, drawn: Container[str] = ()) -> Document:
    """`told`: what evaluation.json holds; `drawn`: names of pictures, without which there is no section of training."""
    shown = {name: told["test"][name] for name in _shown(told)}
    return Document(
        title=f"How well {told['target']} is predicted",
        lead=_lead(told),
        badges=tuple(_badges(told)),
        cards=tuple((label(name), figure(e["value"]), _range(e)) for name, e in shown.items()),
        sections=tuple(_sections(told, drawn)),
    )


def _sections(told: Told, drawn: Container[str]) -> Iterator[Section]:
    """Those in which there is something to say, in their order."""
    if told.get("hints"):
        yield Section("What looks wrong with the table", tuple(told["hints"]))
    yield _figures(told)
    if told.get("repeated"):
        yield _repeated(told)
    yield _baselines(told)
    if told["task"] == "binary":
        yield _decisions(told)
    if told["task"] == "multiclass":
        yield _classes(told)
    if KINDS[told["task"]].has_classes:
        yield _probabilities(told)
    else:
        drawings = Chart("residuals", "Actual against predicted"), Chart("errors", "How errors spread")
        yield Section("Errors", drawings)
    more = {"importance": _importance, "explanation": lambda told: explanation.section(told["explanation"]),
            "robustness": _robustness, "slices": _slices, "fairness": _fairness, "folds": _folds,
            "gate": _gate}  # fmt: skip
    yield from (section(told) for name, section in more.items() if told.get(name))
    if "learning" in drawn:
        yield Section("Training", (Chart("learning", "The loss after each epoch, and the epoch that was kept"),))
    yield _making(told)


def _lead(told: Told) -> str:
    main, rows = told["main"], told["data"]["splits"]["test"]
    entry = told["test"][main]
    within = "" if entry["low"] is None else f" (95 % interval {_range(entry)})"
    text = f"{label(main)} {figure(entry['value'])} on {counted(rows, 'test row')}{within}"
    best = told["best_possible"]
    if best is not None and main == "roc_auc":
        text += f"; the best that any model could reach on these rows is {figure(best['test'])}"
    if main == "pr_auc":
        positive = 100 * told["classes"][1]["rows"] / max(1, rows)
        text += f"; {positive:.2g} % of them are {told['positive']}, which is what guessing reaches"
    return text + "."


def _badges(told: Told) -> Iterable[tuple[str, str]]:
    yield from _decided(told)
    if repeated := told.get("repeated"):
        count, rows = repeated["rows"], counted(told["data"]["splits"]["test"], "test row")
        yield f"{count:,} of {rows} {by_number(count, 'repeats', 'repeat')} a training row", "bad"
    for name, entry in told["baselines"].items():
        yield _compared(name, entry["ahead"], told["test"][told["main"]]["better"])
    if told["gate"]:
        failed = [d for d in told["gate"] if not d["passed"]]
        missed = [f"{_label(told, d['metric'])} is {figure(d['figure'])}, needed: {_needed(d)}" for d in failed]
        yield (f"Quality gate failed: {', '.join(missed)}", "bad") if missed else ("Quality gate passed", "good")


def _decided(told: Told) -> Iterable[tuple[str, str]]:
    """Where 0.5 does not find both classes: what was done about it, or can be."""
    if told["task"] != "binary":
        return
    decision, auto = told["decision"], told["evaluate"]["threshold"] == "auto"
    if auto and decision["rule"] != "fixed":
        chosen = f"{told['positive']} from a probability of {decision['threshold']:.3g} on"
        yield f"{chosen}: 0.5 misses most of a class (evaluate.threshold: auto)", "plain"
    for entry, row, place in zip(told["classes"], told["confusion"], (0, 1), strict=True):
        if row[place] < FOUND * sum(row):
            advice = "" if auto else "; evaluate.threshold: auto chooses another threshold"
            found = f"{row[place]:,} of {counted(sum(row), 'row')} of {entry['class']}"
            yield f"{found} {by_number(row[place], 'is', 'are')} found{advice}", "bad"


def _compared(name: str, ahead: Told, direction: str) -> tuple[str, str]:
    """Better or worse than a baseline, or not to be told apart: its interval holds 0."""
    other, by = title(name), ahead["value"]
    if by is None:
        return f"Not compared with {other}: a figure is not defined", "plain"
    better = by > 0 if direction == "higher" else by < 0
    told = f"{label(ahead['metric'])} {_signed(ahead)}"
    if ahead["low"] is None:
        return f"{'Better' if better else 'Not better'} than {other}: {told}", "plain"
    if ahead["low"] <= 0 <= ahead["high"]:
        return f"Not to be told apart from {other}: {told}", "plain"
    return (f"Better than {other}: {told}", "good") if better else (f"Worse than {other}: {told}", "bad")


def _figures(told: Told) -> Section:
    head = ("figure", "test", "95 % interval", "validation", "what it says")
    found = told["test"]
    rows = [
        (
            _label(told, name),
            *_with_interval(found[name]),
            figure(told["validation"][name]),
            _meaning(name, found[name]),
        )
        for name in _ordered(found, _shown(told))
    ]
    averages = " Averages over classes are macro averages." if _is_of_many(told) else ""
    count = affordable(told["data"]["splits"]["test"], told["evaluate"]["bootstrap"])
    note = f"Intervals: bootstrap, percentiles of {counted(count, 'resample')} of the test rows."
    if "calibration_error" in found:
        note += " That of the calibration error is mirrored (Davison and Hinkley, 1997), for resampling adds to it."
    note = (note if count else "No intervals.") + averages
    return Section("Figures", (Table("", head, tuple(rows), words=(4,)), note))


def _is_of_many(told: Told) -> bool:
    return len(told.get("classes", ())) > 2


def _repeated(told: Told) -> Section:
    """Figures with and without the test rows that stand among the training rows."""
    count, shown, seen = told["data"]["splits"]["test"], _shown(told), told["repeated"]["rows"]
    text = f"{seen:,} of {counted(count, 'test row')} {by_number(seen, 'has', 'have')} the same features as a training"
    text += " row. A model that knows these by heart is right there, and not therefore on others: judge by the"
    text += f" {count - seen:,} that are new. A split with data.group=duplicates keeps such rows together."
    every = {NETWORK: told["test"]} | {name: entry["test"] for name, entry in told["baselines"].items()}
    rows = tuple(
        (title(name), which, *(figure(found[metric]["value"]) for metric in shown))
        for name, new in told["repeated"]["test"].items()
        for which, found in (("all", every[name]), ("new", new))
    )
    return Section("Repeated rows", (text, Table("", ("model", "test rows", *map(label, shown)), rows, words=(1,))))


def _label(told: Told, name: str) -> str:
    """Of a figure of the project's own it is recorded."""
    return str(told["test"].get(name, {}).get("label") or label(name))


def _meaning(name: str, entry: Told) -> str:
    told = METRICS[name].meaning if name in METRICS else entry.get("meaning", "")
    return "; ".join(part for part in (told, "less is better" * (entry["better"] == "lower")) if part)


def _shown(told: Told) -> tuple[str, ...]:
    """The figures that people see first, the main one before the others."""
    return _ordered(KINDS[told["task"]].shown, [told["main"]])


def _ordered(names: Iterable[str], first: Sequence[str]) -> tuple[str, ...]:
    return (*first, *(name for name in names if name not in first))


def _baselines(told: Told) -> Section:
    main, shown = told["main"], _shown(told)
    head = ("model", *map(label, shown), f"difference in {label(main)}")
    own = (NETWORK, *(figure(told["test"][name]["value"]) for name in shown), "")
    rows, notes = [own], []
    for name, entry in told["baselines"].items():
        figures = (figure(entry["test"][metric]["value"]) for metric in shown)
        rows.append((title(name), *figures, _signed(entry["ahead"])))
        if entry["rows"] < told["data"]["splits"]["train"]:
            notes.append(f"{title(name).capitalize()} learned from {counted(entry['rows'], 'row')}, drawn by chance.")
        if entry["converged"] is False:
            notes.append(f"The solver of {title(name)} stopped before it converged.")
    text = "Fitted in this run to the same training rows, with scikit-learn's defaults, and judged on the same test"
    text += " rows, with a threshold by the same rule." if told["positive"] is not None else " rows."
    text += " A difference is the network's figure minus the other's, in the same resamples."
    chart = Chart("comparison", f"{label(main)} on the test rows with 95 % intervals", wide=True)
    return Section("Beside simple models", (text, Table("", head, tuple(rows)), chart, *notes))


def _decisions(told: Told) -> Section:
    decision, classes = told["decision"], [entry["class"] for entry in told["classes"]]
    text = f"A row counts as {classes[1]} from a probability of {decision['threshold']:.4g}"
    by_hand, auto = decision["rule"] == "fixed", told["evaluate"]["threshold"] == "auto"
    text += " (which finds rows of both classes" if by_hand and auto else f" ({RULES[decision['rule']]}"
    text += ")." if by_hand and not auto else ", on the validation rows)."
    chart = Chart("separation", "How probabilities of the classes spread")
    return Section("Decisions", (text, _confusion(told), chart))


def _classes(told: Told) -> Section:
    names = ("precision", "recall", "f1", "roc_auc", "pr_auc")
    rows = tuple((e["class"], f"{e['rows']:,}", *(figure(e[name]) for name in names)) for e in told["classes"])
    table = Table("Each class against the rest", ("class", "rows", *map(label, names)), rows)
    return Section("Classes", (table, _confusion(told)))


def _confusion(told: Told) -> Table:
    classes, counts = [entry["class"] for entry in told["classes"]], told["confusion"]
    if len(classes) > MOST_CLASSES:
        return _confusions(classes, counts)
    shares = [[100 * count / max(1, sum(row)) for count in row] for row in counts]
    caption, cell = "Test rows by actual class (down) and decided class (across)", "{:,}"
    if len(classes) <= FEW_CLASSES:
        caption, cell = f"{caption}, and their share of the actual class", "{:,} ({:.1f} %)"
    cells = tuple((name, *map(cell.format, *each)) for name, *each in zip(classes, counts, shares, strict=True))
    shades = tuple(tuple(0.007 * share for share in row) for row in shares)
    return Table(caption, ("", *classes), cells, shades)


def _confusions(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> Table:
    pairs = [(-n, classes[i], classes[j]) for i, row in enumerate(counts) for j, n in enumerate(row) if i != j and n]
    rows = tuple((actual, taken, f"{-count:,}") for count, actual, taken in sorted(pairs)[:MOST_CONFUSIONS])
    return Table("The most frequent confusions", ("actual", "taken for", "test rows"), rows, words=(1,))


def _probabilities(told: Told) -> Section:
    text = "Probabilities are the network's own."
    if told["evaluate"]["calibration"] == "temperature":
        text = (
            f"Scores are divided by the temperature {told['decision']['temperature']:.4g}, which has the least log loss"
        )
        text += " on the validation rows."
    text += " All classes are pooled: each row counts once for every class." if _is_of_many(told) else ""
    return Section(
        "Probabilities",
        (
            text,
            Chart("roc", "ROC curve"),
            Chart("precision_recall", "Precision and recall"),
            Chart("calibration", "Calibration: bins of equal numbers of rows"),
        ),
    )


def _importance(told: Told) -> Section:
    """What the figure loses where a column tells nothing."""
    found = told["importance"]
    rows = counted(found["rows"], "test row")
    text = f"How much worse {label(told['main'])} is on {rows} where the values of a column stand in other rows,"
    text += f" the mean of {counted(found['repeats'], 'draw')}. Columns that tell the same stand in for each other."
    chart = Chart("importance", f"How much worse {label(told['main'])} is without a column", wide=True)
    return Section("What the network goes by", (text, chart))


def _slices(told: Told) -> Section:
    shown = _shown(told)
    tables = []
    for column, entries in told["slices"].items():
        rows = tuple(
            (entry["value"], f"{entry['rows']:,}", *_with_interval(entry["test"][shown[0]]),
             *(figure(entry["test"][name]["value"]) for name in shown[1:]))
            for entry in entries
        )  # fmt: skip
        head = (column, "rows", label(shown[0]), "95 % interval", *map(label, shown[1:]))
        tables.append(Table(f"By {column}", head, rows))
    text = "The same figures for parts of the test rows. A dash: not defined there, such as where a class is absent."
    asked = told["evaluate"]["bootstrap"]
    drawn = [affordable(each["rows"] * len(of), asked) for of in told["slices"].values() for each in of]
    if (least := min(drawn, default=asked)) < asked:
        text += f" Intervals are of {counted(least, 'resample')} or more, for the parts of a column share them."
    return Section("Slices", (text, *tables))


def _fairness(told: Told) -> Section:
    """How far rates are apart between the groups of each column."""
    text = "The same rates for each group, and how far the greatest is above the least. An interval that holds 0: they"
    text += " are not to be told apart. It holds for all pairs of groups at once; of fewer than "
    text += f"{FEWEST} rows a group has no rate."
    return Section(
        "Groups beside each other", (text, *(_gaps(column, rates) for column, rates in told["fairness"].items()))
    )


def _gaps(column: str, rates: Told) -> Table:
    head = (column, *(rate(name, gap) for name, gap in rates.items()))
    groups = next(iter(rates.values()))["groups"]
    rows = [(group, *(figure(gap["groups"][group]) for gap in rates.values())) for group in groups]
    rows.append(("gap", *(figure(gap["value"]) for gap in rates.values())))
    rows.append(("95 % interval", *(_range(gap) for gap in rates.values())))
    return Table(f"By {column}", head, tuple(rows))


def _robustness(told: Told) -> Section:
    """What the figure loses where rows are worse."""
    found = told["robustness"]
    worse = counted(found["rows"], "test row that is", "test rows that are")
    text = f"How much worse {label(told['main'])} is on {worse} made worse, as service would"
    text += f" see them; and the column that alone does most of it, on {found['alone']:,} of them."
    rows = []
    for name, change in found["changes"].items():
        column, alone = max(change["columns"].items(), key=lambda item: item[1] or 0.0)
        shown = CHANGES[name].format(change["size"], 100 * change["size"])
        rows.append((shown, *_with_interval(change), column, figure(alone)))
    head = ("change", "worse by", "95 % interval", "most by", "worse by it alone")
    return Section("Where rows are worse", (text, Table("", head, tuple(rows), words=(3,))))


def _folds(told: Told) -> Section:
    folds, shown = told["folds"], _shown(told)
    every = {_label(told, name): folds["summary"][name] for name in _ordered(folds["summary"], shown)}
    summary = [(name, figure(e["mean"]), figure(e["deviation"]), _range(e)) for name, e in every.items()]
    rows = [
        (str(number), *(f"{fold['rows'][split]:,}" for split in ("train", "test")),
         *(figure(fold["test"][name]) for name in shown))
        for number, fold in enumerate(folds["folds"], 1)
    ]  # fmt: skip
    text = f"{folds['k']} networks, each with an encoder of its own, fitted and judged on other cuts of the same rows."
    text += " The interval is the corrected resampled t of Nadeau and Bengio (2003), within what a figure can be."
    return Section(
        "Cross-validation",
        (
            text,
            Table("Over the folds", ("figure", "mean", "deviation", "95 % interval"), tuple(summary)),
            Table("Each fold", ("fold", "train rows", "test rows", *map(label, shown)), tuple(rows)),
        ),
    )


def _gate(told: Told) -> Section:
    rows = tuple((_label(told, d["metric"]), figure(d["figure"]), _needed(d), "yes" if d["passed"] else "no")
                 for d in told["gate"])  # fmt: skip
    return Section("Quality gate", (Table("", ("figure", "on the test rows", "needed", "passed"), rows),))


def _needed(demand: Told) -> str:
    if demand["baseline"]:
        return f"better than {title(demand['baseline'])}: {figure(demand['needed'])}"
    return f"at {'most' if demand['better'] == 'lower' else 'least'} {figure(demand['needed'])}"


def _making(told: Told) -> Section:
    data, splits = told["data"], told["data"]["splits"]
    text = f"{counted(data['rows'], 'row')} of {data['source']}: {splits['train']:,} to train,"
    text += f" {splits['validation']:,} to choose, {splits['test']:,} to judge, split {data['split']}."
    text += f" {counted(len(data['features']), 'column is', 'columns are')} seen by the network:"
    text += f" {', '.join(data['features'])}."
    parts: list[str | Table] = [text]
    if told.get("table") and told.get("weights"):
        parts.append(f"SHA-256 of the table's values: {told['table']}; of {layout.INDEX}: {told['weights']}.")
    for name in ("model", "train", "evaluate"):
        rows = tuple((key, _setting(value)) for key, value in sorted(told[name].items()))
        parts.append(Table("", (name, "setting"), rows))
    return Section("Data and settings", tuple(parts))


def _setting(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_setting(item)}" for key, item in sorted(value.items())) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_setting, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _range(entry: Told) -> str:
    return interval(entry["low"], entry["high"])


def _with_interval(entry: Told) -> tuple[str, str]:
    return figure(entry["value"]), _range(entry)


def _signed(difference: Told) -> str:
    """With its interval, both with their signs."""
    value, low, high = (difference[key] for key in ("value", "low", "high"))
    if value is None:
        return "-"
    sign = "+.4f" if abs(value) < 10 else "+,.1f"
    return f"{value:{sign}}" + ("" if low is None else f" ({low:{sign}} to {high:{sign}})")
