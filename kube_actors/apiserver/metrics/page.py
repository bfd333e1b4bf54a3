"""The whole page of /metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from kube_actors.api.resources import Resource
from kube_actors.apiserver import version
from kube_actors.apiserver.cache.bucket import Bucket
from kube_actors.apiserver.cache.cache import Cache, bucket_name
from kube_actors.apiserver.metrics import process
from kube_actors.apiserver.metrics.families import family
from kube_actors.apiserver.metrics.requests import Requests
from kube_actors.apiserver.metrics.storage import MeasuredStorage, Names

_GROUP_RESOURCE = ("group", "resource")


def names_of(resources: Iterable[Resource]) -> Names:
    """From a prefix of keys to the group and resource of the objects there; those of CRDs may come and go."""

    def names(bucket: str) -> tuple[str, str]:
        for resource in resources:
            if bucket_name(resource) == bucket:
                return resource.group, resource.plural
        group, _, plural = bucket.rpartition("/")
        return group, plural

    return names


class Page:
    def __init__(
        self,
        requests: Requests,
        storage: MeasuredStorage,
        cache: Cache,
        names: Names,
        access: Callable[[], Iterator[str]] = lambda: iter(()),
    ) -> None:
        self._requests = requests
        self._storage = storage
        self._cache = cache
        self._names = names
        self._access = access

    def render(self, hooks: Iterable[tuple[tuple[str, str], float]] = ()) -> bytes:
        """`hooks`: for each health check its name and type, and 1 where it succeeds."""
        return ("\n".join(self._lines(hooks)) + "\n").encode()

    def _lines(self, hooks: Iterable[tuple[tuple[str, str], float]]) -> Iterator[str]:
        yield from self._requests.lines()
        yield from self._storage.lines()
        yield from self._cache_lines()
        yield from self._access()
        text = "This metric records the result of a single healthcheck."
        yield from family("kubernetes_healthcheck", "gauge", text, ("name", "type"), hooks)
        yield from process.lines()
        yield from _build_info()

    def _cache_lines(self) -> Iterator[str]:
        cache = self._cache
        named = {bucket: self._names(bucket) for bucket in cache.buckets()}
        watchers = ((("apiserver", *named[bucket], "WATCH"), count) for bucket, count in cache.watcher_count().items())
        text = "Gauge of all active long-running apiserver requests broken out by verb, group, resource."
        labels = ("component", *_GROUP_RESOURCE, "verb")
        yield from family("apiserver_longrunning_requests", "gauge", text, labels, watchers)
        counts = [(bucket, len(found)) for bucket, found in cache.buckets().items()]
        text = "Number of stored objects at the time of last check split by kind."
        qualified = ((".".join(filter(None, reversed(named[bucket]))),) for bucket, _ in counts)
        rows = zip(qualified, (count for _, count in counts), strict=True)
        yield from family("apiserver_storage_objects", "gauge", text, ("resource",), rows)
        objects = ((named[bucket], count) for bucket, count in counts)
        yield from family("apiserver_resource_objects", "gauge", text, _GROUP_RESOURCE, objects)
        for name, kind, text, read in _WATCH_CACHE:
            values = ((named[bucket], read(found)) for bucket, found in cache.buckets().items())
            yield from family(name, kind, text, _GROUP_RESOURCE, values)


_WATCH_CACHE: tuple[tuple[str, str, str, Callable[[Bucket], int]], ...] = (
    (
        "apiserver_watch_cache_capacity",
        "gauge",
        "Total capacity of watch cache broken by resource type.",
        lambda bucket: bucket.window.max_changes,
    ),
    (
        "apiserver_watch_cache_events_received_total",
        "counter",
        "Counter of events received in watch cache broken by resource type.",
        lambda bucket: bucket.received,
    ),
    (
        "apiserver_watch_cache_resource_version",
        "gauge",
        "Current resource version of watch cache broken by resource type.",
        lambda bucket: bucket.changed,
    ),
)


def _build_info() -> Iterator[str]:
    info = version.info()
    shown = {
        "build_date": info["buildDate"],
        "compiler": info["compiler"],
        "git_commit": info["gitCommit"],
        "git_tree_state": info["gitTreeState"],
        "git_version": info["gitVersion"],
        "go_version": info["goVersion"],
        "major": info["major"],
        "minor": info["minor"],
        "platform": info["platform"],
    }
    text = (
        "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build "
        "date, Go version, and compiler from which Kubernetes was built, and platform on which it is running."
    )
    yield from family("kubernetes_build_info", "gauge", text, tuple(shown), [(tuple(shown.values()), 1)])
