"""How often a caller is answered: by its token, else by its address."""

import time
from pathlib import Path

import pytest

from serving import ask
from stemma.serve import rates
from stemma.serve.access import add
from stemma.serve.models import Models, Refused
from stemma.serve.process import app_of
from stemma.serve.rates import Rates
from stemma.serve.settings import ServeSettings


class Clock:
    """That of `rates`, which stands still; the one of the wall may jump as it likes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(rates.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "time", lambda: 0.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def taken(known: Rates, caller: str, count: int) -> tuple[int, str]:
    """How many of so many calls are answered, and when the others are to come again."""
    answered, after = 0, ""
    for _ in range(count):
        try:
            known.take(caller)
            answered += 1
        except Refused as refusal:
            assert refusal.status == 429
            after = dict(refusal.headers)[b"retry-after"].decode()
    return answered, after


@pytest.mark.parametrize(("rate", "at_once", "after"), [(10.0, 10, "1"), (1.0, 1, "1"), (0.1, 1, "10"), (2.5, 2, "1")])
def test_each_caller_has_its_calls_a_second_whatever_others_do(
    clock: Clock, rate: float, at_once: int, after: str
) -> None:
    known = Rates(rate)
    assert taken(known, "anne", 50) == (at_once, after)
    assert taken(known, "bob", 50) == (at_once, after)
    clock.now += 1 / rate
    assert taken(known, "anne", 50)[0] == 1, "to be refused costs nothing"
    clock.now += 1000
    assert taken(known, "anne", 50) == (at_once, after)


def test_as_many_callers_as_there_may_be_are_not_all_kept(clock: Clock) -> None:
    known = Rates(1.0)
    for number in range(rates.KEPT + 10):
        known.take(str(number))
    assert len(known._rested) == rates.KEPT


def test_a_token_counts_wherever_it_comes_from_and_wrong_ones_count_by_the_address(
    clock: Clock, models: Models, tmp_path: Path
) -> None:
    shop, other = (f"Bearer {add(tmp_path / 'tokens.yaml', name, ['predict'])}" for name in ("shop", "other"))
    app = app_of(ServeSettings.of(tokens=str(tmp_path / "tokens.yaml"), limits={"rate": 2}), lambda: models)

    def statuses(token: str) -> list[int]:
        return [ask(app, "GET", "/status", authorization=token).status for _ in range(3)]

    assert statuses(shop) == statuses(other) == [200, 200, 429]
    assert statuses("Bearer guessed") == [401, 401, 429]
    assert [ask(app, "GET", "/v2/health/ready").status for _ in range(5)] == [200] * 5, "who asks whether it is alive"
    reply = ask(app, "GET", "/status", authorization=shop)
    assert (reply.headers["retry-after"], list(reply.json)) == ("1", ["error"])
