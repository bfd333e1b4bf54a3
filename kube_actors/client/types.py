"""The values that go in and out of the client."""

from __future__ import annotations

from dataclasses import dataclass

from kube_actors.api import Obj

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"
BOOKMARK = "BOOKMARK"

# The annotation of the bookmark that ends the objects of `send_initial_events`.
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Event:
    """One change as a watch tells it: ADDED, MODIFIED, DELETED or BOOKMARK.

    A DELETED object is the last state with the resourceVersion of the deletion; of a bookmark only
    the resourceVersion (and annotations) say something.
    """

    type: str
    object: Obj


# What a watch yields: events that were ready together.
Events = list[Event]


@dataclass(frozen=True, slots=True)
class ObjList:
    """A consistent list, from which `resource_version` a watch may go on."""

    items: list[Obj]
    resource_version: str
    continue_token: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """A pod and the node to bind it to. Refused where the pod has another uid; empty: any."""

    namespace: str
    name: str
    uid: str
    node: str


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """What answers: the Kubernetes version followed, the version of kube_actors, the cluster's name."""

    git_version: str
    product_version: str
    cluster_name: str
