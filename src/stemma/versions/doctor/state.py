"""What surrounds a version: settings that were not composed or not run, objects out of reach, another environment."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from stemma import toolkit
from stemma.errors import StemmaError, ToolkitError, VersionError, WeightsError
from stemma.evaluation.results import told
from stemma.repo import edited, mixed
from stemma.repo.inventory import Inventory, Object, on_disk, take
from stemma.repo.lockfile import FIRST, LOCK, PARAMS
from stemma.repo.repository import INDEX, PROFILE, TRAINING, WEIGHTS, Version
from stemma.text import counted, few
from stemma.toolkit import lock, undo
from stemma.versions.doctor.finding import Finding, Skipped, there

PINS = "requirements.lock"
COMPUTING = {  # packages that can change a result
    "numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "onnx", "onnxruntime", "onnxscript", "torch", "tensorflow",
    "keras", "tf2onnx",
}  # fmt: skip


def conf_is_composed(version: Version) -> Iterator[Finding]:
    """params.yaml is what conf/ composes to; only the work tree has a conf/ to compose."""
    from stemma import conf

    if version.commit is not None:
        raise Skipped("conf/ is composed in the workspace alone")
    try:
        differences = conf.differences(version.repository.root)
    except StemmaError as error:
        yield Finding("error", "conf", "conf/ cannot be composed", str(error), "correct conf/")
        return
    if differences:
        yield Finding(
            "error", "conf", "params.yaml is not what conf/ says", few([str(one) for one in differences]),
            "run `stemma conf sync`, or `stemma conf adopt`",
        )  # fmt: skip


def results_are_of_these_settings(version: Version) -> Iterator[Finding]:
    """What dvc.lock noted when each stage ran is what params.yaml and stemma.lock hold, and what others made."""
    stages, wanted = there(version.lock, LOCK).get("stages") or {}, there(version.settings, PARAMS)
    rooms, others = _locked(version).rooms if version.has(lock.FILE) else {}, mixed.within(stages)
    for stage, entry in stages.items():
        settings, used = (told(entry, "params", file) or {} for file in (PARAMS, lock.FILE))
        moved = {
            f"other settings than {PARAMS} has": [k for k, v in settings.items() if told(wanted, *k.split(".")) != v],
            f"another toolkit than {lock.FILE} has": [
                k for k, v in used.items() if rooms.get(k.removeprefix("rooms.")) != v
            ],
            "other files than those before it made": others[stage],
        }
        for what, found in moved.items():
            if found:
                yield Finding("error", "results", f"stage {stage} ran with {what}", few(found), "run `dvc repro`")


def files_are_those_that_stages_had(version: Version) -> Iterator[Finding]:
    """Code, data and what Git keeps of the results are those that stages ran with and made, by dvc.lock. A commit with
    others does not hold what made its model."""
    there(version.lock, LOCK)
    then = "run `dvc repro`" if version.commit is None else "check it out, run `dvc repro`, and commit what comes of it"
    for stage, each in edited.of(version).items():
        if stage == FIRST and each.ran:
            found = "conf/ was edited since the stage settings looked at it"
            yield Finding("warning", "edited", found, few(each.ran), then)
        elif each.ran:
            found = f"stage {stage} ran with other files than the version holds"
            yield Finding("error", "edited", found, few(each.ran), then)
        if each.made:
            found = f"stage {stage} made other files than the version holds"
            back = "run `dvc checkout`, or `dvc repro` to make them anew"  # as after `git checkout` alone
            yield Finding("error", "edited", found, few(each.made), back if each.is_kept else then)


def weights_are_of_the_settings_that_dvc_noted(version: Version) -> Iterator[Finding]:
    """What dvc.lock noted of train is what the fit noted itself: DVC looks when a stage has ended, and plain DVC, or an
    older stemma, took what had been edited while it ran."""
    noted = there(told(version.lock, "stages", "train", "params", PARAMS), f"the settings of train in {LOCK}")
    fit = there(version.training, TRAINING)
    values = {key: value for key, value in noted.items() if key.startswith("train.")}
    if fit.get("cut_from") is None:  # else the network has fewer units than were set
        values |= {f"model.{name}": value for name, value in (noted.get("model") or {}).items()}
    found = {key: (told(fit, *key.split(".")), value) for key, value in values.items()}
    other = [f"{key} {is_} for {was}" for key, (is_, was) in found.items() if None not in (is_, was) and is_ != was]
    if other:
        yield Finding(
            "error", "noted", "the weights were fitted with other settings than dvc.lock says", few(other),
            "settings were edited while train ran: run `dvc repro --force train`",
        )  # fmt: skip


def figures_are_of_these_weights_and_rows(version: Version) -> Iterator[Finding]:
    """What evaluate noted itself of the weights, the table and its settings is what the version has: dvc.lock tells
    otherwise after `dvc commit --force`."""
    evaluation = version.evaluation or {}
    weights, table, settings = (evaluation.get(name) for name in ("weights", "table", "evaluate"))
    if not weights or not version.has(INDEX):
        raise Skipped("reports/evaluation.json does not tell the weights that it is of")
    noted = told(version.lock, "stages", "evaluate", "params", PARAMS, "evaluate") or {}
    other = [INDEX] * (hashlib.sha256(version.bytes(INDEX)).hexdigest() != weights)
    other += [PROFILE] * (table is not None and told(version.profile, "content", "sha256") not in (None, table))
    other += [f"evaluate.{key}" for key, value in (settings or {}).items() if noted.get(key, value) != value]
    if other:
        yield Finding(
            "error", "judged", "the figures are of other weights, rows or settings than the version has", few(other),
            "run `dvc repro --force evaluate`",
        )  # fmt: skip


def toolkit_is_the_locked_one(version: Version) -> Iterator[Finding]:
    """The toolkit that runs here, beside the one that stemma.lock names: as a stage looks at it, in the workspace."""
    if not version.has(lock.FILE):
        raise Skipped(f"{lock.FILE} is not in the version")
    try:
        if version.commit is None:
            lock.check(version.repository.root)
        elif (locked := _locked(version)).is_wheel and locked.version != toolkit.version():
            raise ToolkitError(
                f"the version's toolkit is {locked.version}, the one that is installed {toolkit.version()}",
                lock.INSTALL,
            )
    except ToolkitError as error:
        yield Finding(
            "error" if version.commit is None else "warning", "toolkit", "the toolkit is not the locked one",
            error.what, f"run `{error.run}`",
        )  # fmt: skip


def _locked(version: Version) -> lock.Lock:
    try:
        return lock.parse(version.text(lock.FILE))
    except ValueError as error:
        raise Skipped(f"{lock.FILE} is none ({error})") from None


def outputs_are_there(version: Version) -> Iterator[Finding]:
    """Every output that dvc.lock names is in the work tree: a run that is killed leaves those of its stage removed."""
    if version.commit is not None or not version.outputs:
        raise Skipped("outputs are looked for in the workspace alone, by dvc.lock")
    missing = [path for path in version.outputs if not (version.repository.root / path).exists()]
    if missing:
        what = f"{counted(len(missing), 'output')} of dvc.lock not in the workspace"
        yield Finding("error", "outputs", what, few(missing), f"run `{undo.RUN}`, in a new clone `dvc pull`")


def weights_are_those_of_their_index(version: Version) -> Iterator[Finding]:
    """Every tensor of the work tree has the hash that the index names."""
    from stemma import weights

    folder = version.repository.root / WEIGHTS
    if version.commit is not None:
        raise Skipped(f"`stemma verify {version.name}` hashes what is kept of a commit")
    if not folder.is_dir():
        raise Skipped(f"{WEIGHTS} is not in the workspace")
    try:
        weights.verify(folder)
    except WeightsError as error:
        if error.run is None:  # not damaged, but of another format
            raise
        yield Finding(
            "error", "files", f"{WEIGHTS} is not what its index says", error.what, f"run `dvc checkout {WEIGHTS}`"
        )


def objects_are_in_reach(version: Version) -> Iterator[Finding]:
    """Every file of every output is in the cache or in a remote; outputs that Git keeps are left out."""
    objects, inventory = version.repository.objects, _objects(version)
    missing = {md5: each for md5, each in inventory.objects.items() if objects.path(md5) is None}
    if missing and objects.elsewhere:
        missing = {each.md5: each for each in _lacking(version, replace(inventory, objects=missing))}
    if missing:
        what = f"{counted(len(missing), 'file is', 'files are')} neither in the cache nor in a remote"
        yield Finding(
            "error", "objects", what, few([each.path for each in missing.values()]),
            "run `dvc fetch` where the remote can be reached, or `dvc repro` to make them again",
        )  # fmt: skip


def remote_is_complete(version: Version) -> Iterator[Finding]:
    """Every file of every output is in the remote that it is pushed to: a clone elsewhere can get it."""
    if not version.repository.objects.remotes:
        raise Skipped("no remote is configured")
    missing = _lacking(version, _objects(version))
    if missing:
        what = f"{counted(len(missing), 'file is', 'files are')} not in the remote"
        push = "dvc push" if version.commit is None else f"stemma push {version.name}"  # whatever is checked out
        yield Finding("warning", "remote", what, few([each.path for each in missing]), f"run `{push}`")


def environment_is_the_recorded_one(version: Version) -> Iterator[Finding]:
    """Python and the packages that train noted, beside those of this process."""
    import platform
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    recorded = there(told(version.training, "environment"), f"the environment of {TRAINING}")
    here = {"python": _minor(platform.python_version())}
    wanted = {"python": _minor(recorded.get("python") or ""), **(recorded.get("packages") or {})}
    for name in recorded.get("packages") or {}:
        try:
            here[name] = installed(name)
        except PackageNotFoundError:
            here[name] = "not installed"
    differing = [
        f"{name} {was} there, {here[name]} here"
        for name, was in wanted.items()
        if was and _plain(was) != _plain(here[name])
    ]
    if differing:
        yield Finding(
            "warning", "environment", "this environment is not the recorded one", few(differing, len(differing)),
            "install its pins: pip install -c requirements.lock of that revision",
        )  # fmt: skip


def packages_are_the_pinned_ones(version: Version) -> Iterator[Finding]:
    """Train notes the packages that it runs by. Those that other stages run by are noted nowhere: that they are the
    pinned ones is seen before."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    if version.commit is not None or not version.has(PINS):
        raise Skipped(f"{PINS} is looked at in the workspace alone")
    pinned = dict(re.findall(r"^([\w.-]+)==([^\s;\\]+)", version.text(PINS), re.MULTILINE))
    differing = []
    for name in COMPUTING & pinned.keys():
        with suppress(PackageNotFoundError):
            if _plain(here := installed(name)) != _plain(pinned[name]):
                differing.append(f"{name} {pinned[name]} pinned, {here} here")
    if differing:
        yield Finding(
            "warning", "pins", f"packages are others than {PINS} pins", few(sorted(differing), len(differing)),
            f"run `{lock.INSTALL}`, or pin what is here",
        )  # fmt: skip


def _objects(version: Version) -> Inventory:
    """What DVC keeps for the version, as far as listings lie on this machine."""
    if not version.outputs:
        raise Skipped("dvc.lock is not in the version")
    repository = version.repository

    def read(md5: str) -> bytes | None:
        return repository.objects.read(md5)[0]

    if version.commit is not None:
        return take(repository, [version], read, tolerant=True)
    return take(repository, [], read, loose={version.name: on_disk(repository.root)}, tolerant=True)


def _lacking(version: Version, inventory: Inventory) -> list[Object]:
    """Those that are not in the remotes that must hold them."""
    from stemma.repo.places import Folder
    from stemma.repo.stores import Stores

    stores = Stores(version.repository)
    if stores.default is None:
        raise Skipped("no default remote is set")
    if isinstance(stores.default, Folder) and not stores.default.root.is_dir():  # nothing was pushed yet
        return [each for each in inventory.objects.values() if each.remotes]
    try:
        return stores.lacking(inventory, "remote")
    except VersionError as error:
        raise Skipped(f"the remote cannot be asked ({error.what})") from None


def _minor(python: str) -> str:
    """Its major and minor version, as they are noted; reports were once told its patch too."""
    return ".".join(python.split(".")[:2])


def _plain(text: str) -> str:
    """A version without its build, such as +cpu."""
    return str(text).partition("+")[0]
