"""Versions: what serves, what never does, and how one follows another."""

import asyncio
import errno
import json
import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bundles import MULTICLASS, REGRESSION, ROWS, contents
from serving import ask
from stemma import bundle
from stemma.bundle import sign
from stemma.errors import StemmaError
from stemma.serve import service, sources, withdrawn
from stemma.serve.keeper import CHANGED, ENDED, Keeper
from stemma.serve.load import TIMES, load, size
from stemma.serve.models import Models
from stemma.serve.process import app_of
from stemma.serve.service import Service
from stemma.serve.settings import MEGABYTE, Limits, ServeSettings
from stemma.serve.sources import chosen

ROW = {"Month": "May", "PageValues": 1, "Weekend": True}
INPUTS: Sequence[dict[str, str]] = REGRESSION["inputs"]


class World:
    """A folder of versions, and what keeps them in service."""

    def __init__(self, folder: Path, good: Path, **options: Any) -> None:
        self.folder, self.good = folder, good
        folder.mkdir(exist_ok=True)
        model = {"source": str(folder), "name": "shop", **options.pop("model", {})}
        self.settings = settings(model, **options)
        self.service = Service(self.settings)
        self.runner = asyncio.Runner()
        self.keeper = Keeper(self.settings, [self.service])

    def publish(self, number: int | str, content: Path | None = None) -> None:
        """By rename."""
        partial = self.folder / f".{number}.partial"
        partial.mkdir()
        shutil.copyfile(content or self.good, partial / "model.zip")
        partial.rename(self.folder / str(number))

    def withdraw(self, number: int) -> None:
        shutil.rmtree(self.folder / str(number))

    def start(self) -> "World":
        self.runner.run(self.keeper.start())
        return self

    def look(self, **how: bool) -> tuple[int, ...]:
        """What serves after a look."""
        self.runner.run(self.keeper.look(**how))
        return self.serving

    @property
    def models(self) -> Models:
        return self.service.models

    @property
    def serving(self) -> tuple[int, ...]:
        return tuple(self.models.by_name["shop"].versions)

    @property
    def faults(self) -> dict[int, str]:
        return dict(self.models.by_name["shop"].faults)


def settings(*models: dict[str, Any], **options: Any) -> ServeSettings:
    made = ServeSettings.of(**options)
    kinds = type(made.models[0])
    return made.model_copy(update={"models": tuple(kinds(**each) for each in models)})


@pytest.fixture
def world(tmp_path: Path, bundles: dict[str, Path]) -> Callable[..., World]:
    return lambda **options: World(tmp_path / "shop", bundles["regression"], **options)


def test_a_version_that_changes_while_it_is_loaded_is_not_served_under_the_number_that_it_had(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world()
    made.publish(1)
    made.start()
    made.publish(2)
    prepare = made.service.prepare

    async def slow(*given: Any) -> str | None:
        told = await prepare(*given)
        made.withdraw(2)
        made.publish(2)
        return told

    monkeypatch.setattr(made.service, "prepare", slow)
    assert made.look() == (1,) and made.faults == {2: CHANGED}
    monkeypatch.undo()
    assert made.look() == (2,) and made.faults == {}


@pytest.fixture(scope="session")
def wrong_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wrong") / "m.zip"
    files = contents(REGRESSION, output="prediction", width=1) | {"request.json": json.dumps({"inputs": ROWS}).encode()}
    bundle.build(path, files | {"response.json": b'{"prediction": [[0], [0], [0], [0]]}'})
    return path


def test_the_latest_serves_and_a_later_one_takes_its_place(world: Callable[..., World]) -> None:
    here = world()
    for number in (1, 2, 10):
        here.publish(number)
    assert here.start().serving == (10,)
    here.publish(11)
    assert here.look() == (11,)
    app = app_of(here.settings, lambda: here.models)
    assert ask(app, "POST", "/predict", ROW).json["version"] == "11"
    assert ask(app, "POST", "/predict/shop/versions/10", ROW).status == 404


def test_to_withdraw_the_latest_is_to_go_back_and_to_withdraw_all_changes_nothing(world: Callable[..., World]) -> None:
    here = world()
    here.publish(1)
    here.publish(2)
    assert here.start().serving == (2,)
    here.withdraw(2)
    assert here.look() == (1,)
    here.withdraw(1)
    assert here.look() == (1,) and here.models.ready
    here.publish(2)
    assert here.look() == (2,)


def test_a_folder_may_get_its_first_version_later(world: Callable[..., World]) -> None:
    here = world().start()
    assert here.serving == () and not here.models.ready
    here.publish(1)
    assert here.look() == (1,) and here.models.ready


@pytest.mark.parametrize("name", ["x", "01", "-1", "1.5", "v1", "\u0663", ".1.partial", "9" * 30])
def test_a_name_that_is_no_number_is_no_version(world: Callable[..., World], name: str) -> None:
    here = world()
    here.publish(name)
    assert here.start().serving == () and here.faults == {}


def test_what_fails_never_serves_nor_counts_and_is_told_once_until_it_changes(
    world: Callable[..., World], wrong_sample: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cut.zip").write_bytes(wrong_sample.read_bytes()[:-9])
    here = world(model={"policy": "latest:2"})
    for number in (1, 2, 3):
        here.publish(number)
    here.publish(4, wrong_sample)
    here.publish(5, tmp_path / "cut.zip")
    (here.folder / "6").mkdir()
    assert here.start().serving == (2, 3)
    assert set(here.faults) == {4, 5, 6} and "another prediction" in here.faults[4] and "damaged" in here.faults[5]
    assert capfd.readouterr().err.count('"refused"') == 3
    assert here.look() == (2, 3) and "refused" not in capfd.readouterr().err
    shutil.copyfile(here.good, here.folder / "6/model.zip")
    assert here.look() == (3, 6) and set(here.faults) == {4, 5}
    assert here.look(anew=True) == (3, 6) and capfd.readouterr().err.count('"refused"') == 2
    here.withdraw(4)
    here.look()
    assert set(here.faults) == {5}


def test_whatever_a_library_raises_keeps_a_version_out_and_stops_nothing(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = world()
    here.publish(1)
    here.start()

    def full(*given: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(service, "load", full)
    here.publish(2)
    assert here.look() == (1,) and "MemoryError: no room" in here.faults[2]


def test_a_version_that_serves_stays_when_the_next_is_damaged(world: Callable[..., World], wrong_sample: Path) -> None:
    here = world()
    here.publish(1)
    here.start()
    here.publish(2, wrong_sample)
    assert here.look() == (1,) and list(here.faults) == [2]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("latest:1", (9,)), ("latest:3", (2, 4, 9)), ("latest:99", (1, 2, 4, 9)), ("all", (1, 2, 4, 9)), ("4", (4,)),
     ("4,1,7,4", (1, 4)), ("7", ())],
)  # fmt: skip
def test_policies(policy: str, expected: tuple[int, ...]) -> None:
    assert chosen(policy, {9, 2, 4, 1}) == expected
    assert chosen(policy, set()) == ()


@pytest.mark.parametrize("policy", ["", "latest", "latest:0", "latest:-1", "1,", "a", "all,1", "1;2"])
def test_a_policy_that_is_none_is_refused(policy: str, tmp_path: Path) -> None:
    (tmp_path / "serve.yaml").write_text(f"models: [{{source: a, policy: '{policy}'}}]")
    with pytest.raises(StemmaError, match=r"policy"):
        ServeSettings.of(tmp_path / "serve.yaml")


def test_labels_name_versions_that_serve(world: Callable[..., World]) -> None:
    here = world(model={"policy": "all", "labels": {"stable": 1, "canary": 2, "gone": 7}})
    here.publish(1)
    here.publish(2)
    here.start()
    assert here.models.by_name["shop"].labels == {"stable": 1, "canary": 2}
    app = app_of(here.settings, lambda: here.models)
    assert ask(app, "POST", "/predict/shop/labels/stable", ROW).json["version"] == "1"
    assert ask(app, "POST", "/predict/shop/labels/gone", ROW).status == 404
    here.withdraw(1)
    here.look()
    assert here.models.by_name["shop"].labels == {"canary": 2}


def test_settings_that_changed_are_taken_without_a_restart(world: Callable[..., World]) -> None:
    here = world()
    for number in (1, 2, 3):
        here.publish(number)
    assert here.start().serving == (3,)
    other = settings({"source": str(here.folder), "name": "shop", "policy": "1,2", "labels": {"stable": 1}})
    here.runner.run(here.keeper.reload(other))
    assert here.serving == (1, 2) and here.models.by_name["shop"].labels == {"stable": 1}


def test_settings_that_changed_are_those_of_each_name_of_a_source(world: Callable[..., World]) -> None:
    here = world()
    for number in (1, 2, 3):
        here.publish(number)
    models = [{"source": str(here.folder), "name": name, "policy": policy} for name, policy in (("a", "1"), ("b", "2"))]
    here.keeper = Keeper(settings(*models), [here.service])
    here.start()
    here.runner.run(here.keeper.reload(settings(*({**each, "policy": f"{each['policy']},3"} for each in models))))
    assert {name: tuple(model.versions) for name, model in here.models.by_name.items()} == {"a": (1, 3), "b": (2, 3)}


@pytest.mark.parametrize("name", [".", "..", "a b", "a/b", "ü"])
def test_a_name_that_no_path_holds_is_refused(world: Callable[..., World], name: str) -> None:
    with pytest.raises(StemmaError, match="is no name for paths"):
        world(model={"name": name})


def test_a_look_that_fails_is_told_and_is_not_the_last(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    here = world(poll=0.01)
    here.publish(1)
    here.start()
    here.publish(2)

    async def looks(count: int) -> None:
        async for _ in here.keeper.looks():
            count -= 1
            if not count:
                return

    def gone(_: object) -> bool:
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "exists", gone)
        assert here.look() == (1,), "a folder that cannot be read says nothing"
        patched.setattr(sources.Source, "versions", gone)
        here.runner.run(looks(2))
    assert here.serving == (1,) and "Stale file handle" in capfd.readouterr().err
    here.runner.run(looks(1))
    assert here.serving == (2,)


KINDS = MULTICLASS | {"classes": ["a,\nb", "b", "c"]}
CHANGES = {
    "the input 'Weekend' is gone": ({"inputs": INPUTS[:2]}, {}),
    "the input 'Hour' is new": ({"inputs": [*INPUTS, {"name": "Hour", "type": "number"}]}, {}),
    "the input 'Weekend' is a number, no boolean": (
        {"inputs": [*INPUTS[:2], {"name": "Weekend", "type": "number"}]}, {}
    ),
    r"of the classes that one alone has 'a,\\nb', it has 'd': allow": ({"classes": ["b", "c", "d"]}, KINDS),
    "of the classes the places are others: allow": ({"classes": ["b", "a,\nb", "c"]}, KINDS),
}  # fmt: skip


@pytest.mark.parametrize("told", CHANGES)
def test_a_version_that_would_break_callers_is_refused_unless_it_is_allowed(told: str, tmp_path: Path) -> None:
    from stemma import signature
    from stemma.serve.service import _check_contract

    change, of = CHANGES[told]
    before = signature.parse(json.dumps(of or REGRESSION).encode())
    after = signature.parse(json.dumps((of or REGRESSION) | change).encode())
    with pytest.raises(StemmaError, match=told):
        _check_contract(before, after, 1)
    _check_contract(before, before, 1)


def test_another_task_or_other_classes_break_callers_and_are_taken_where_that_is_allowed(
    world: Callable[..., World], bundles: dict[str, Path]
) -> None:
    here = world()
    here.publish(1)
    here.start()
    here.publish(2, bundles["binary"])
    assert here.look() == (1,) and "it is a binary, no regression" in here.faults[2]
    allowed = world(allow_breaking=True)
    allowed.start()
    assert allowed.serving == (2,)
    allowed.publish(3, bundles["multiclass"])
    assert allowed.look() == (3,)


def test_a_bundle_that_changes_is_its_next_version_and_one_that_is_gone_changes_nothing(
    bundles: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.zip"
    shutil.copyfile(bundles["regression"], path)
    service = Service(ServeSettings())
    keeper = Keeper(settings({"source": str(path)}), [service])

    async def story() -> None:
        await keeper.start()
        (model,) = service.models.by_name.values()
        assert (model.name, list(model.versions)) == ("model", [1])
        path.write_bytes(path.read_bytes()[:100])
        await keeper.look()
        assert list(service.models.by_name["model"].versions) == [1] and list(
            service.models.by_name["model"].faults
        ) == [2]
        shutil.copyfile(bundles["regression"], tmp_path / "next")
        (tmp_path / "next").rename(path)
        await keeper.look()
        assert list(service.models.by_name["model"].versions) == [3]
        path.unlink()
        await keeper.look()
        assert list(service.models.by_name["model"].versions) == [3]

    asyncio.run(story())


def test_a_bundle_that_cannot_serve_and_two_models_of_one_name_are_told_at_the_start(
    bundles: dict[str, Path], wrong_sample: Path, tmp_path: Path
) -> None:
    with pytest.raises(StemmaError, match="another prediction"):
        asyncio.run(Keeper(settings({"source": str(wrong_sample)}), [Service(ServeSettings())]).start())
    same = {"source": str(bundles["regression"])}
    with pytest.raises(StemmaError, match="two models have one name"):
        Keeper(settings(same, same), [])
    with pytest.raises(StemmaError, match="no name for paths"):
        Keeper(settings(same | {"name": "a/b"}), [])
    with pytest.raises(StemmaError, match="no name for paths"):
        Keeper(settings(same | {"name": "a\r\nb"}), [])
    with pytest.raises(StemmaError, match="is not there"):
        Keeper(settings({"source": str(tmp_path / "none.zip")}), [])


def test_no_member_switches_before_all_are_prepared(world: Callable[..., World]) -> None:
    here = world()
    here.publish(1)
    told: list[str] = []

    class Slow(Service):
        async def prepare(self, name: str, number: int, path: Path, follows: int | None) -> str | None:
            await asyncio.sleep(0.05)
            told.append(f"prepared {number}")
            return await super().prepare(name, number, path, follows)

    class Quick(Service):
        async def commit(self, plan: Any) -> None:
            told.append(f"commits {plan.versions}")
            await super().commit(plan)

    class Broken(Service):
        async def prepare(self, name: str, number: int, path: Path, follows: int | None) -> str | None:
            return "no memory" if number == 2 else await super().prepare(name, number, path, follows)

    members = [each(here.settings) for each in (Slow, Quick, Broken)]
    here.keeper = Keeper(here.settings, members)
    here.start()
    here.publish(2)
    here.runner.run(here.keeper.look())
    assert told == ["commits ()", "prepared 1", "commits (1,)", "prepared 2", "commits (1,)"]
    assert [list(each.models.by_name["shop"].versions) for each in members] == [[1]] * 3


def test_a_model_is_unloaded_loaded_and_pinned_on_order(world: Callable[..., World], wrong_sample: Path) -> None:
    here = world()
    here.publish(1)
    here.publish(2)
    here.start()
    act = lambda *order: here.runner.run(here.keeper.act(*order))  # noqa: E731 - a word for what follows
    assert act("unload", "shop") is None and here.serving == () and not here.models.ready
    assert here.look() == ()
    assert act("load", "shop") is None and here.serving == (2,)
    assert act("switch", "shop", "1") is None and here.serving == (1,)
    assert here.look() == (1,)
    why = "1 was ordered, until `stemma service switch shop latest:1`"
    assert here.models.by_name["shop"].faults == {2: why}, "a promotion that does not serve is told"
    assert "policy" in str(act("switch", "shop", "newest")) and here.serving == (1,)
    assert act("switch", "shop", "latest:1") is None and here.serving == (2,)
    assert not here.models.by_name["shop"].faults
    assert act("rollback", "shop") is None and here.serving == (1,)
    assert "no version before 1" in str(act("rollback", "shop")) and "no version 9" in str(act("switch", "shop", "9"))
    assert act("switch", "shop", "latest:1") is None and here.serving == (2,)
    assert "no model" in str(act("load", "nobody"))
    here.publish(3, wrong_sample)
    assert "another prediction" in str(act("load", "shop")) and here.serving == (2,)


def test_an_order_fails_for_the_version_that_it_names_and_for_no_other(
    world: Callable[..., World], wrong_sample: Path
) -> None:
    here = world()
    for number, content in ((1, wrong_sample), (2, None), (3, None), (4, wrong_sample)):
        here.publish(number, content)
    assert here.start().serving == (3,)
    act = lambda *order: here.runner.run(here.keeper.act(*order))  # noqa: E731 - a word for what follows
    assert act("switch", "shop", "2") is None and here.serving == (2,)
    assert "another prediction" in str(act("rollback", "shop")) and here.serving == (2,)
    for policy in ("1", "4", "1,3"):
        assert "another prediction" in str(act("switch", "shop", policy)) and here.serving == (2,)
    for policy, serving in (("latest:1", (3,)), ("latest:2", (2, 3)), ("all", (2, 3)), ("2,3", (2, 3))):
        assert act("switch", "shop", policy) is None and here.serving == serving
    for number in (2, 3):
        here.withdraw(number)
    assert "another prediction" in str(act("switch", "shop", "latest:1")) and here.serving == (2, 3)


def test_a_version_that_is_not_signed_never_serves_where_that_is_asked(
    world: Callable[..., World], tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    public = sign.key_pair(tmp_path / "key.pem")
    here = world(signature={"key": str(public)})
    sign.sign(here.good, tmp_path / "key.pem", tmp_path / "signed.zip")
    here.publish(1, tmp_path / "signed.zip")
    here.publish(2)
    assert here.start().serving == (1,)
    told = here.models.by_name["shop"].faults[2]
    assert "is not signed" in told
    assert run(tmp_path, *shlex.split(told.split("`")[1].replace("PRIVATE.pem", "key.pem").partition(" ")[2]))[0] == 0
    code, _, told = run(tmp_path, "serve", str(here.good), "--require-signature", str(public), "--port", "0")
    assert (code, "is not signed" in told) == (1, True)
    code, _, told = run(tmp_path, "serve", str(here.folder), "--require-signature", "no.pub", "--port", "0")
    assert (code, told) == (1, "error: no.pub cannot be read (No such file or directory)\n")


def test_a_folder_that_is_gone_changes_nothing_and_one_that_says_it_is_empty_serves_none(
    world: Callable[..., World],
) -> None:
    here = world()
    here.publish(1)
    here.start()
    here.folder.rename(here.folder.with_name("away"))
    assert here.look() == (1,)
    here.folder.with_name("away").rename(here.folder)
    (here.folder / "empty").touch()
    assert here.look() == ()
    (here.folder / "empty").unlink()
    assert here.look() == (1,)


def test_a_member_that_found_no_version_gets_it_when_it_is_there_again(world: Callable[..., World]) -> None:
    """Also where that is the number that serves elsewhere, or served when all others ended."""
    here = world()
    here.publish(1)
    here.start()
    here.folder.rename(here.folder.with_name("away"))
    late = Service(ServeSettings())
    here.runner.run(here.keeper.join(late))
    assert here.look() == (1,) and not late.models.ready
    here.keeper._members.remove(here.service)
    last = Service(ServeSettings())
    here.runner.run(here.keeper.join(last))
    here.folder.with_name("away").rename(here.folder)
    here.look()
    assert [tuple(each.models.by_name["shop"].versions) for each in (late, last)] == [(1,), (1,)]


def test_a_member_without_the_version_before_takes_the_next(world: Callable[..., World]) -> None:
    here = world()
    here.publish(1)
    here.start()
    here.withdraw(1)
    late = Service(ServeSettings())
    here.runner.run(here.keeper.join(late))
    here.publish(2)
    assert here.look() == (2,) == tuple(late.models.by_name["shop"].versions)


def test_what_serves_is_not_given_up_for_a_member_that_cannot_load_it(
    world: Callable[..., World], wrong_sample: Path
) -> None:
    here = world()
    here.publish(1)
    here.start()
    (here.folder / "1/model.zip").write_bytes(wrong_sample.read_bytes())
    late = Service(ServeSettings())
    here.runner.run(here.keeper.join(late))
    assert here.look() == (1,) and not late.models.ready
    here.keeper._members.remove(here.service)
    here.look()
    assert "another prediction" in late.models.by_name["shop"].faults[1], "nobody holds it any more"


def test_what_is_missing_is_told_until_it_serves(tmp_path: Path, world: Callable[..., World]) -> None:
    here = world(model={"stage": "prod"})
    here.start()
    assert here.keeper.missing() == "no version of shop came from the stage prod yet"
    here.publish(1, tmp_path.joinpath("none").write_bytes(b"none") and tmp_path / "none")
    here.look()
    assert "is damaged" in str(here.keeper.missing())
    here.publish(2)
    here.look()
    assert here.keeper.missing() is None
    (here.folder / "empty").touch()
    here.look()
    assert here.keeper.missing() and not here.models.ready, "nothing can answer"


def test_a_version_for_which_no_memory_is_left_stays_out_in_words(
    world: Callable[..., World], tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    here = world()
    here.publish(1)
    each = TIMES * size(load(here.folder / "1"))
    allowed = lambda times: ServeSettings(limits=Limits(memory=times * each / MEGABYTE))  # noqa: E731 - a word
    here.service._settings = allowed(2.5)
    here.start()
    here.publish(2)
    assert here.look() == (2,), "both are in memory while one takes the other's place"
    here.service._settings = allowed(1.5)
    here.publish(3)
    assert here.look() == (2,)
    assert "MB of limits.memory are left" in here.faults[3]
    (tmp_path / "serve.yaml").write_text("limits: {memory: 0.001}")
    code, _, told = run(tmp_path, "serve", str(here.good), "--config", "serve.yaml", "--port", "0")
    assert (code, told.count("\n"), "limits.memory" in told) == (1, 1, True)


def test_a_version_that_ends_its_process_is_tried_once_more_and_then_refused(world: Callable[..., World]) -> None:
    """Once may have been anybody's doing."""
    here = world()
    here.publish(1)
    tried = []

    class Mortal(Service):
        async def prepare(self, name: str, number: int, path: Path, follows: int | None) -> str | None:
            tried.append(number)
            return ENDED if number == 2 else await super().prepare(name, number, path, follows)

    here.keeper = Keeper(here.settings, [Mortal(here.settings)])
    here.start()
    here.publish(2)
    for _ in range(4):
        here.runner.run(here.keeper.look())
    assert tried == [1, 2, 2]


def act(world: World, *order: str) -> str | None:
    return world.runner.run(world.keeper.act(*order))


def test_a_version_that_is_taken_back_does_not_serve_again_until_somebody_says_so(
    world: Callable[..., World],
) -> None:
    """Nor after another start; what is published after it does; and it is taken back once at most."""
    shop = world()
    for number in (1, 2, 3):
        shop.publish(number)
    shop.start()
    assert act(shop, "withdraw", "shop", "3", "it errs") is None
    assert (shop.serving, shop.faults) == ((2,), {3: "taken back: it errs"})
    again = world().start()
    assert (again.serving, again.faults) == ((2,), {3: "taken back: it errs"})
    assert act(again, "switch", "shop", "latest:1") is None and again.serving == (2,)
    assert act(again, "load", "shop") is None and again.serving == (3,)
    assert act(again, "withdraw", "shop", "3") == "version 3 was taken back before, and somebody let it serve again"
    again.publish(4)
    assert (again.look(), act(again, "withdraw", "shop", "4"), again.serving) == ((4,), None, (3,))
    assert act(again, "switch", "shop", "4") is None and again.serving == (4,)


def test_a_copy_of_what_was_taken_back_does_not_serve_and_another_version_under_its_number_does(
    world: Callable[..., World], bundles: dict[str, Path]
) -> None:
    """As rsync or a restored disk leaves it: another file, of another time, with the same bytes."""
    shop = world()
    for number in (1, 2):
        shop.publish(number)
    assert act(shop.start(), "withdraw", "shop", "2", "it errs") is None
    shop.withdraw(2)
    assert (shop.look(), shop.faults) == ((1,), {})
    shop.publish(2)
    os.utime(shop.folder / "2", (1, 1))
    assert (shop.look(), shop.faults) == ((1,), {2: "taken back: it errs"})
    assert world().start().serving == (1,)
    assert act(shop, "switch", "shop", "2") is None and shop.serving == (2,)
    assert act(shop, "withdraw", "shop", "2") == "version 2 was taken back before, and somebody let it serve again"
    again = world(allow_breaking=True)
    again.withdraw(2)
    again.publish(2, bundles["binary"])
    assert 2 not in again.start().faults and again.serving == (2,)
    assert act(again, "withdraw", "shop", "2") is None


def test_what_one_server_takes_back_another_of_the_same_source_does_not_forget(world: Callable[..., World]) -> None:
    one = world(model={"policy": "all"})
    for number in (1, 2, 3):
        one.publish(number)
    other = world(model={"policy": "all"}).start()
    assert act(one.start(), "withdraw", "shop", "3", "a") is None
    assert act(other, "withdraw", "shop", "2", "b") is None
    assert world(model={"policy": "all"}).start().faults == {2: "taken back: b", 3: "taken back: a"}


def test_an_order_that_cannot_be_noted_is_not_done(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    shop = world()
    for number in (1, 2):
        shop.publish(number)
    assert act(shop.start(), "withdraw", "shop", "2") is None
    monkeypatch.setattr(withdrawn, "write_text", full)
    for order in (("load", "shop"), ("switch", "shop", "2")):
        assert "No space left" in str(act(shop, *order))
    assert shop.look() == (1,)


def test_what_has_no_version_before_it_is_not_taken_back(world: Callable[..., World], wrong_sample: Path) -> None:
    shop = world()
    shop.publish(1, wrong_sample)
    shop.publish(2)
    shop.start()
    assert act(shop, "withdraw", "shop", "2") == "shop has no version before 2 that can serve"
    assert (shop.serving, world().start().serving) == ((2,), (2,))
    assert shop.faults == {}
    for number in ("1", "7", "x", "²", "9" * 5000):
        assert act(shop, "withdraw", "shop", number) == f"version {number[:100]} of shop is not in service"


def test_a_version_that_settings_name_gives_its_labels_to_the_one_before(world: Callable[..., World]) -> None:
    shop = world(model={"policy": "2,3", "labels": {"stable": 2, "canary": 3}})
    for number in (1, 2, 3):
        shop.publish(number)
    shop.start()
    assert act(shop, "withdraw", "shop", "3") is None
    assert (shop.serving, shop.models.by_name["shop"].labels) == ((2,), {"stable": 2, "canary": 2})
    assert act(shop, "withdraw", "shop", "2") is None
    assert (shop.serving, shop.models.by_name["shop"].labels) == ((1,), {"stable": 1, "canary": 1})


def test_notes_of_what_was_taken_back_that_are_damaged_are_not_passed_over(
    world: Callable[..., World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shop = world()
    shop.publish(1)
    shop.publish(2)
    act(shop.start(), "withdraw", "shop", "2")
    (notes,) = (tmp_path / "state/stemma/withdrawn").iterdir()
    notes.write_text("[3]")
    with pytest.raises(StemmaError, match=r"which says what was taken back, cannot be read"):
        world()
