"""The settings: one frozen, typed section per section of params.yaml.

No setting has a default here: conf/ holds every value, params.yaml is its composition, and this file says which
values are allowed. `load` reports every wrong setting at once, with the file to correct and the nearest valid name.
"""

import difflib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from stemma import conf
from stemma.errors import ExportError, SettingsError

Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Role = Literal["numeric", "categorical", "boolean", "date", "drop", "bayes"]
Task = Literal["binary", "multiclass", "regression"]


class Section(BaseModel):
    """A part of params.yaml: frozen, strict about types, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class SplitSettings(Section):
    """Shares of rows; train is what test and validation leave."""

    test: Share  # of all rows
    validation: Share  # of the rows that test leaves
    seed: Seed


class Table(Section):
    """What every table has, wherever it comes from."""

    source: str  # the file prepare depends on: the table, or the code that makes it
    target: str
    task: Task
    positive: str | None  # the class whose probability is judged; None: the last one in order
    columns: dict[str, Role]  # by name, or by a pattern such as "pixel_*"
    ranges: dict[str, tuple[float | None, float | None]]  # lowest and highest of a numeric column, None is open
    group: str | None  # a column whose equal values stay in one split
    time: str | None  # a date or number by which later rows are judged: train, then validation, then test
    partition: str | None  # a column that already says train, validation or test
    split: SplitSettings


class SimulatedTable(Table):
    """Sessions of shop visitors, drawn."""

    kind: Literal["simulated"]
    rows: Annotated[int, Field(ge=100)]
    seed: Seed
    missing: Annotated[float, Field(ge=0, lt=1)]  # share of masked values


class FileTable(Table):
    """A CSV or Parquet file."""

    kind: Literal["file"]
    separator: Annotated[str, Field(min_length=1, max_length=1)]
    header: bool  # whether the first row names the columns; without one they are c0, c1, ...
    encoding: str  # of the text, as Python names it
    decimal: Literal[".", ","]
    missing: tuple[str, ...]  # the texts that stand for "no value"


class BundledTable(Table):
    """A table that comes with scikit-learn."""

    kind: Literal["bundled"]
    dataset: Literal["digits", "diabetes"]


DataSettings = Annotated[SimulatedTable | FileTable | BundledTable, Field(discriminator="kind")]


class PrepareSettings(Section):
    """How a table is checked and its columns become numbers."""

    strict: bool  # hints (leakage, duplicates, identifiers) stop the stage as errors do
    numeric: Literal["auto", "standard", "robust", "quantile"]
    impute: Literal["median", "mean"]
    indicator: bool  # one more input for each numeric column with missing values in training
    rare: PositiveInt  # a level with fewer training rows is grouped with the other rare ones
    embed: PositiveInt  # a column with more levels than this is embedded in the network, not one-hot encoded


class ModelSettings(Section):
    """What every model has. A model of your own inherits from it and names its settings."""

    name: str  # its line in purchase_intent.models.MODELS
    framework: Literal["torch", "tensorflow"]


class MlpSettings(ModelSettings):
    """Dense layers."""

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]  # units of each hidden layer
    activation: Literal["relu", "gelu", "tanh"]
    dropout: Annotated[float, Field(ge=0, lt=1)]


class TabularSettings(ModelSettings):
    """Several small networks in one, on embedded numbers."""

    members: PositiveInt  # networks whose predictions are averaged
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]  # units of each hidden layer of a member
    embedding: PositiveInt  # numbers that a numeric column becomes, at most
    bins: PositiveInt  # where the curves of these numbers may bend, at most
    dropout: Annotated[float, Field(ge=0, lt=1)]


class LinearSettings(ModelSettings):
    """No hidden layer, nothing to set."""


class TrainSettings(Section):
    """How a network is fitted, the same in both frameworks."""

    epochs: PositiveInt
    batch_size: PositiveInt | None  # None: by the number of training rows
    optimizer: Literal["adam", "sgd"]
    learning_rate: PositiveFloat
    schedule: Literal["constant", "cosine", "step"]
    weight_decay: Annotated[float, Field(ge=0)]
    clip_norm: PositiveFloat | None
    class_weight: Literal["none", "balanced"]
    patience: PositiveInt | None
    device: Literal["cpu", "cuda", "mps", "auto"]
    precision: Literal["float32", "mixed"]
    threads: PositiveInt
    seed: Seed
    init_from: str | None  # a revision whose weights it starts from; None: from random ones
    freeze: tuple[str, ...]  # patterns of tensors that stay as they start, such as "hidden_1.*"
    resume: bool


class Costs(Section):
    """What a wrong decision costs, in any unit."""

    false_positive: PositiveFloat
    false_negative: PositiveFloat


class EvaluateSettings(Section):
    """How predictions are judged."""

    threshold: Share | Literal["f1", "youden", "cost", "recall_at_precision"]  # a probability, or a rule
    costs: Costs  # of the rule cost
    precision: Share  # of the rule recall_at_precision: the least precision
    calibration: Literal["none", "temperature"]
    bins: Annotated[int, Field(ge=2, le=1000)]
    bootstrap: Annotated[int, Field(ge=0, le=100_000)]  # resamples behind each 95 % interval; 0: no intervals
    slices: tuple[str, ...]  # columns whose every value is judged by itself
    folds: Annotated[int, Field(ge=2, le=100)] | None  # of a cross-validation; None: none
    minimum: dict[str, float | str]  # the quality gate: figures on the test rows, and better_than: a baseline
    seed: Seed


class ExportSettings(Section):
    """What the network is exported to, and what difference that may have."""

    formats: tuple[str, ...] | Literal["all"]  # names in formats.FORMATS, onnx among them
    opset: Annotated[int, Field(ge=18, le=20)]  # of ONNX
    optimise: bool  # onnxruntime folds the constants of the ONNX network
    precision: Literal["float32", "float16"]  # inside the ONNX network
    tolerance: PositiveFloat  # greatest difference from the framework on every test row, of every format
    tolerance_float16: PositiveFloat  # of onnx in float16


class PackageSettings(Section):
    """What the bundle says of itself."""

    name: Annotated[str, Field(min_length=1)]
    description: str
    intended_use: str  # what it is for, and what it is not for
    limits: tuple[str, ...]  # what it is known to do badly, a sentence each
    licence: str | None  # such as an SPDX identifier; None: not stated
    mlflow: bool  # add the files by which MLflow opens the unpacked bundle


class Settings(Section):
    """The whole of params.yaml."""

    data: DataSettings
    prepare: PrepareSettings
    model: ModelSettings
    train: TrainSettings
    evaluate: EvaluateSettings
    export: ExportSettings
    package: PackageSettings


def load(path: str | Path = "params.yaml") -> Settings:
    """Read and check the whole of params.yaml.

    Raises:
        SettingsError: the file is missing or not YAML, or settings are wrong: all of them, one per line.
    """
    path = Path(path)
    values = conf.params(path.parent)
    types = _section_types(values)
    sections, faults = {}, _unknown_and_missing(values, types)
    for name in types.keys() & values.keys():
        try:
            # In JSON a list may stand for a tuple, which strict mode refuses from Python.
            sections[name] = types[name].validate_json(json.dumps(values[name], default=str))
        except ValidationError as error:
            faults += [_describe(fault, name, values, path.parent) for fault in error.errors()]
    if faults:
        count = "1 setting is" if len(faults) == 1 else f"{len(faults)} settings are"
        lines = "".join(f"\n  {fault}" for fault in sorted(faults))
        raise SettingsError(f"{path}: {count} wrong:{lines}\ncorrect the file named, then", run="stemma conf sync")
    return Settings.model_construct(**sections)


def _section_types(values: dict[str, Any]) -> dict[str, TypeAdapter[Any]]:
    """The type of each section; the model's follows from its name."""
    from purchase_intent.models import MODELS

    types = {name: get_type_hints(Settings, include_extras=True)[name] for name in Settings.model_fields}
    section = values.get("model")
    name = section.get("name") if isinstance(section, dict) else None
    if isinstance(name, str) and name in MODELS:
        types["model"] = MODELS[name].settings
    return {name: TypeAdapter(kind) for name, kind in types.items()}


def _unknown_and_missing(values: dict[str, Any], types: dict[str, Any]) -> list[str]:
    faults = [f"{name}: no such section{_nearest(name, types)} (in conf/config.yaml)" for name in values.keys() - types]
    faults += [f"{name}: this section is missing (in conf/config.yaml)" for name in types.keys() - values]
    return faults + _wrong_model(values.get("model")) + _wrong_formats(values)


def _wrong_model(section: Any) -> list[str]:
    """The model's name must be in MODELS, and its framework the folder that it is in."""
    from purchase_intent.models import MODELS

    if not isinstance(section, dict):
        return []
    name, framework = section.get("name"), section.get("framework")
    if not isinstance(name, str) or name not in MODELS:
        return [f"model.name: {name!r} is none of {', '.join(MODELS)}{_nearest(name, MODELS)}"]
    home = MODELS[name].path.split(".")[2]
    if framework in ("torch", "tensorflow") and framework != home:
        return [f"model.framework: {name} is in the framework {home}, not {framework}"]
    return []


def _wrong_formats(values: dict[str, Any]) -> list[str]:
    """Each format must be one that DVC can keep of this framework's networks: said before anything is trained."""
    from purchase_intent.formats import chosen

    model, export = values.get("model"), values.get("export")
    if not isinstance(model, dict) or model.get("framework") not in ("torch", "tensorflow"):
        return []
    named = export.get("formats") if isinstance(export, dict) else None
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        return []
    try:
        chosen(named, model["framework"])
    except ExportError as error:
        return [f"export.formats: {error}"]
    return []


def _describe(fault: ErrorDetails, section: str, values: dict[str, Any], root: Path) -> str:
    """One line: the key, its value, what is allowed, and the file in conf/ that holds it."""
    location = fault["loc"][1:] if section == "data" else fault["loc"]  # the table's kind comes first there
    key = ".".join([section, *map(str, location)])
    match fault["type"]:
        case "extra_forbidden":
            text = f"{key}: no such setting{_nearest(location[-1], _keys(section, values))}"
        case "missing":
            text = f"{key}: this setting is missing"
        case "union_tag_invalid" | "union_tag_not_found":
            kinds = [get_args(member.model_fields["kind"].annotation)[0] for member in _table_types()]
            kind = values[section].get("kind")
            text = f"{key}.kind: {kind!r} is none of {', '.join(kinds)}{_nearest(kind, kinds)}"
        case _:
            text = f"{key}: {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"
    file = conf.origin(root, key) if (root / "conf").is_dir() else None
    return f"{text} (in {file})" if file else text


def _table_types() -> tuple[type[Table], ...]:
    return get_args(get_args(DataSettings)[0])


def _keys(section: str, values: dict[str, Any]) -> list[str]:
    """The valid names in a section, nested ones too, for the nearest one to a typo."""
    types = _section_types(values)
    schema = types[section].json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return sorted({key for part in parts for key in part.get("properties", {})})


def _nearest(name: object, valid: Any) -> str:
    close = difflib.get_close_matches(str(name), list(valid), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
