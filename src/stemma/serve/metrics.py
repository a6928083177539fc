"""Figures for Prometheus, `GET /metrics`: of all workers, whichever is asked."""

import asyncio
import os
from bisect import bisect_left
from collections import Counter as Counts
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from stemma.serve.batch import SIZES
from stemma.serve.log import TOGETHER
from stemma.serve.models import Models, Version
from stemma.serve.routes import Answer, Call, Ran
from stemma.text import in_one_line

SHARED = "PROMETHEUS_MULTIPROC_DIR"  # the folder where prometheus-client keeps the figures of several processes
DRIFT = "drift.prom"  # in the folder of the request log: what drifted, as whoever reads it found
Counted = tuple[str | None, Answer, float, Ran | None]
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)  # seconds


class Many(Histogram):
    """Several at once, for the price of a few."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        self._sum.inc(sum(amounts))
        for place, count in Counts(bisect_left(self._upper_bounds, each) for each in amounts).items():
            self._buckets[place].inc(count)


class Metrics:
    """What this process counts, of the requests of `log.TOGETHER` at once.

    Args:
        more: a file of figures that somebody else writes as Prometheus reads them; it need not be there.
    """

    def __init__(self, more: Path | None = None) -> None:
        self._more = more
        self._registry = CollectorRegistry()
        named: dict[str, Any] = {"registry": self._registry}
        requests = Counter("stemma_requests", "Requests by route and status.", ("route", "status"), **named)
        seconds = Many("stemma_request_seconds", "Seconds to an answer.", ("route",), buckets=BUCKETS, **named)
        told = "Requests that wait for their answer."
        opened = Gauge("stemma_requests_in_progress", told, multiprocess_mode="livesum", **named)
        rows = Counter("stemma_rows", "Rows that were predicted.", ("model", "version"), **named)
        version = ("model", "version", "arm")
        took = Many(
            "stemma_version_seconds", "Seconds to an answer, by who gave it.", version, buckets=BUCKETS, **named
        )
        told = "Rows of small calls that ran together."
        batches = Many("stemma_batch_rows", told, version[:2], buckets=(1, 2, 4, *SIZES), **named)
        told = "Requests that a version failed to answer; what callers did wrong is not its fault."
        errors = Counter("stemma_version_errors", told, (*version, "status"), **named)
        log = Counter("stemma_log_rows", "Rows for the request log: written, dropped, failed.", ("state",), **named)
        came = Counter("stemma_feedback", "Outcomes that were told, by what was done with them.", ("state",), **named)
        told = "Copies of calls that a shadow had no time for."
        dropped = Counter("stemma_shadow_dropped", told, version[:2], **named)
        for state in ("written", "dropped", "failed"):  # Prometheus sees no increase of what begins with its first
            log.labels(state)
        # Found by their labels once: that takes as long as counting.
        self._requests, self._seconds = lru_cache(1024)(requests.labels), lru_cache(256)(seconds.labels)
        self._rows, self._errors = lru_cache(1024)(rows.labels), lru_cache(1024)(errors.labels)
        self._took, self._observed = lru_cache(1024)(took.labels), {"log": log.labels, "feedback": came.labels}
        self._dropped, self._batches = lru_cache(256)(dropped.labels), lru_cache(256)(batches.labels)
        self._waiting: deque[Counted] = deque()  # those of shadows come from another thread
        self._is_due, self.open, self._opened = False, 0, opened

    def opens(self, change: int) -> None:
        """So many requests more wait for their answer; counted soon, or when somebody asks."""
        self.open += change
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(TOGETHER, self._count)

    def count(self, route: str, answer: Answer, seconds: float, ran: Ran | None) -> None:
        """A request that waits no more, and what a version was asked by it."""
        self._waiting.append((route, answer, seconds, ran))

    def count_copy(self, answer: Answer, seconds: float, ran: Ran) -> None:
        """What a shadow was asked; counted with the next request."""
        self._waiting.append((None, answer, seconds, ran))

    def _count(self) -> None:
        self._is_due = False
        self._opened.set(self.open)
        alike = defaultdict[Any, list[float]](list)  # there are few kinds, so most of what follows is of many at once
        for route, answer, spent, ran in [self._waiting.popleft() for _ in range(len(self._waiting))]:
            asked, arm = (None, "") if ran is None else (ran.version, ran.arm)
            alike[route, answer.status, answer.version, answer.rows, answer.fault, asked, arm].append(spent)
        for (route, status, version, rows, fault, asked, arm), took in alike.items():
            if route is not None:
                self._requests(route, status).inc(len(took))
                self._seconds(route).observe_all(took)
                if version is not None and rows:
                    self._rows(version.model, version.number).inc(rows * len(took))
            if asked is not None:
                self._took(asked.model, asked.number, arm).observe_all(took)
                if fault:
                    self._errors(asked.model, asked.number, arm, status).inc(len(took))
                if asked.batcher is not None and (sizes := asked.batcher.taken_down()):
                    self._batches(asked.model, asked.number).observe_all(sizes)

    def count_observed(self, what: str, state: str, rows: int) -> None:
        self._observed[what](state).inc(rows)

    def count_dropped(self, version: Version) -> None:
        self._dropped(version.model, version.number).inc()

    def text(self, call: Call) -> Answer:
        """All of it, as Prometheus reads it."""
        self._count()
        shared, registry = SHARED in os.environ, self._registry
        if shared:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        now = CollectorRegistry()
        now.register(_Now(call.models, shared))
        text = generate_latest(registry) + generate_latest(now)
        with suppress(OSError):  # it is not there yet, or cannot be read: the other figures are told all the same
            text += b"" if self._more is None else self._more.read_bytes()
        return Answer(text, kind="text/plain; version=0.0.4; charset=utf-8")


class _Now:
    """What no process has to count: it is seen."""

    def __init__(self, models: Models, shared: bool) -> None:
        self._models, self._shared = models, shared

    def collect(self) -> Iterator[Metric]:
        labels = ("model", "version")
        serving = GaugeMetricFamily("stemma_version", "1 for each version that serves.", labels=labels)
        told = "1 for each that is there and does not, and why."
        refused = GaugeMetricFamily("stemma_version_refused", told, labels=(*labels, "why"))
        switches = CounterMetricFamily("stemma_switches", "Changes of the versions that serve.", labels=labels[:1])
        split = GaugeMetricFamily("stemma_split_share", "Of the calls that name no version.", labels=labels)
        shadow = GaugeMetricFamily(
            "stemma_shadow_share", "Of these calls, that a version gets copies of.", labels=labels
        )
        for model in self._models.by_name.values():
            switches.add_metric([model.name], model.switches)
            for number in model.versions:
                serving.add_metric([model.name, str(number)], 1)
            for number, why in model.faults.items():
                refused.add_metric([model.name, str(number), in_one_line(why)], 1)
            for family, shares in ((split, model.split.served if model.split else {}), (shadow, model.shadows)):
                for number, share in shares.items():
                    family.add_metric([model.name, str(number)], share)
        yield from (serving, refused, switches, split, shadow)
        yield GaugeMetricFamily("stemma_memory_bytes", "Resident memory of all processes.", value=self._memory())

    def _memory(self) -> int:
        me = psutil.Process()
        keeper = me.parent() if self._shared else None
        return sum(each.memory_info().rss for each in ([keeper, *keeper.children()] if keeper else [me]))
