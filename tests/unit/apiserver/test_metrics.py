"""How numbers are counted and written down, and what the health checks say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kube_actors.api.errors import StoreError
from kube_actors.api.resources import CONFIGMAPS
from kube_actors.apiserver.metrics.families import Counter, Histogram
from kube_actors.apiserver.metrics.requests import Labels
from kube_actors.apiserver.rest.health import Health


def test_label_values_are_escaped() -> None:
    counter = Counter("c", "Text.", ("a",))
    counter.add(('x"\n\\',))
    assert list(counter.lines())[2] == 'c{a="x\\"\\n\\\\"} 1'


def test_buckets_count_all_that_is_below_their_bound() -> None:
    histogram = Histogram("h", "Text.", ("a",), (1, 2.5))
    for value in (0.5, 1, 2, 4):
        histogram.add(("x",), value)
    assert list(histogram.lines()) == [
        "# HELP h Text.",
        "# TYPE h histogram",
        'h_bucket{a="x",le="1"} 2',
        'h_bucket{a="x",le="2.5"} 3',
        'h_bucket{a="x",le="+Inf"} 4',
        'h_sum{a="x"} 7.5',
        'h_count{a="x"} 4',
    ]


async def test_the_page_tells_what_the_store_was_asked_and_what_the_cache_holds(api: Any) -> None:
    await api.create(CONFIGMAPS, {"metadata": {"name": "a"}})
    await api.pipeline.cache.fresh()
    api.pipeline.requests.count(Labels("GET", resource="configmaps", version="v1", scope="resource"), 200, 0.01, 500)
    text = api.pipeline.metrics.render([(("etcd", "livez"), 1)]).decode()
    labels = (
        'component="apiserver",dry_run="",group="",resource="configmaps",scope="resource",subresource="",verb="GET"'
    )
    for line in (
        f'apiserver_request_total{{code="200",{labels},version="v1"}} 1',
        f'apiserver_request_duration_seconds_bucket{{{labels},version="v1",le="0.025"}} 1',
        'etcd_request_duration_seconds_count{operation="create",group="",resource="configmaps"} 1',
        'apiserver_storage_objects{resource="configmaps"} 1',
        'apiserver_watch_cache_events_received_total{group="",resource="configmaps"} 1',
        'kubernetes_healthcheck{name="etcd",type="livez"} 1',
    ):
        assert line in text.splitlines()


async def test_watches_are_counted_by_what_they_watch(api: Any) -> None:
    events = (await api.watch(CONFIGMAPS, "default")).events()
    reading = asyncio.gather(anext(events))
    await asyncio.sleep(0)
    text = api.pipeline.metrics.render().decode()
    line = 'apiserver_longrunning_requests{component="apiserver",group="",resource="configmaps",verb="WATCH"} 1'
    assert line in text.splitlines()
    await api.create(CONFIGMAPS, {"metadata": {"name": "a"}})
    await reading
    await events.aclose()
    assert line not in api.pipeline.metrics.render().decode().splitlines()


class BrokenStore:
    async def revision(self) -> int:
        raise StoreError("no route to the store")


@pytest.fixture
def health() -> Health:
    return Health(BrokenStore(), has_started=lambda: True, is_ready=lambda: False)  # type: ignore[arg-type]


async def test_a_failed_check_is_named_but_not_explained_to_everybody(health: Health) -> None:
    code, text = await health.answer("/livez")
    assert code == 500
    assert text.startswith("[+]ping ok\n[+]log ok\n[-]etcd failed: reason withheld\n")
    assert text.endswith("livez check failed\n")
    assert await health.answer("/livez/etcd") == (500, "internal server error: no route to the store\n")


async def test_what_is_left_out_does_not_fail(health: Health) -> None:
    assert await health.answer("/livez", exclude=["etcd"]) == (200, "ok")
    code, text = await health.answer("/readyz", exclude=["etcd", "etcd-readiness", "x"])
    assert code == 500
    assert "[-]shutdown failed: reason withheld\n" in text
    assert 'no matches for "x"\n' in text


async def test_results_of_checks_are_kept_for_the_metrics(health: Health) -> None:
    await health.answer("/livez")
    assert dict(health.results())["etcd", "livez"] == 0
    assert dict(health.results())["ping", "livez"] == 1
