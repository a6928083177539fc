"""NAME OP VALUE: what it reads, what it refuses, what it lets through."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from stemma.errors import StemmaError
from stemma.versions.constraints import parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rows > 1000", 1000),
        ("rows>1_000", 1000),
        ("size <= 5 MB", 5e6),
        ("size <= 1.5KiB", 1536),
        ("latency < 0.5 s", 500),
        ("latency < 5ms", 5),
        ("parameters < 1e6", 1e6),
        ("roc_auc >= .9", 0.9),
        ("validation.log_loss < 0.3", 0.3),
        ("mcc > -0.1", -0.1),
        ("stage = prod", "prod"),
        ("framework == 'torch'", "torch"),
        ("date >= 2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("date < 2026-01-31T12:00+02:00", datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_a_constraint_is_read(text: str, value: object) -> None:
    assert parse(text).value == value


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("rows", "is no constraint"),
        ("rows >", "is no constraint"),
        ("> 5", "is no constraint"),
        ("rows > 5; import os", "is no finite number"),
        ("rows > __import__('os')", "is no finite number"),
        ("rows > 5 MB", "is no finite number"),
        ("rows > \u0661\u0662", "is no finite number"),
        ("size < 1e999", "'1e999' is no finite number"),
        ("size < 5 apples", "units b, kb, mb"),
        ("date > yesterday", "not a date such as 2026-01-31"),
        ("stage > prod", "= or != alone"),
    ],
)
def test_what_is_no_constraint_is_refused_in_one_line(text: str, named: str) -> None:
    with pytest.raises(StemmaError, match=named) as caught:
        parse(text)
    assert "\n" not in str(caught.value) and repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "found", "fits"),
    [
        ("rows > 5", 6, True),
        ("rows > 5", 5, False),
        ("rows >= 5", 5, True),
        ("rows < 5", 5, False),
        ("rows <= 5", 5, True),
        ("rows = 5", 5.0, True),
        ("rows != 5", 5, False),
        ("rows > 5", None, False),
        ("rows != 5", None, False),
        ("stage = prod", ("dev", "prod"), True),
        ("stage = prod", (), False),
        ("stage != prod", (), True),
        ("stage != prod", ("dev", "prod"), False),
        ("framework = torch", "torch", True),
        ("date < 2026-02-01", datetime(2026, 1, 31, 23, tzinfo=UTC), True),
    ],
)
def test_a_constraint_lets_through_what_fits(text: str, found: object, fits: bool) -> None:
    assert parse(text).holds(found) is fits
