"""Names and labels by which the containers of a cluster's node are known and found again. Pure.

Names are those that Kubernetes' dockershim gave: k8s_<container>_<pod>_<namespace>_<uid>_<attempt>, the
sandbox being the container "POD". They are for people; the program reads labels only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kube_actors.node.runtime.interface import SandboxSpec

CLUSTER = "kube-actors.cluster"
NODE = "kube-actors.node"
TYPE = "io.kubernetes.docker.type"
POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
ATTEMPT = "io.kubernetes.attempt"
SANDBOX_ID = "io.kubernetes.sandbox.id"
# The image as the pod names it: Docker forgets it once the tag moves to another image.
IMAGE = "kube-actors.image"
IMAGE_REF = "kube-actors.image-ref"
SPEC_HASH = "kube-actors.spec-hash"
# Of a sandbox: which namespaces its containers share, comma-separated; which devices they have.
MODES = "kube-actors.modes"
DEVICES = "kube-actors.devices"
# Of a sandbox: the text of its /etc/resolv.conf.
RESOLV_CONF = "kube-actors.resolv-conf"

SANDBOX = "podsandbox"
CONTAINER = "container"
SANDBOX_CONTAINER = "POD"
SCHEME = "docker://"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose containers they are: one engine may serve several clusters and several of their nodes."""

    cluster: str
    node: str

    def labels(self) -> dict[str, str]:
        return {CLUSTER: self.cluster, NODE: self.node}

    def filters(self, *more: str) -> dict[str, list[str]]:
        """Docker's filter for exactly these containers; `more` are further `label=value` texts."""
        return {"label": [f"{key}={value}" for key, value in self.labels().items()] + list(more)}


@dataclass(frozen=True, slots=True)
class Identity:
    """What the labels of a container say."""

    is_sandbox: bool
    pod_name: str
    pod_namespace: str
    pod_uid: str
    container: str
    attempt: int
    sandbox_id: str = ""
    image: str = ""
    spec_hash: str = ""
    image_ref: str = ""

    @classmethod
    def of_sandbox(cls, spec: SandboxSpec) -> Identity:
        return cls(True, spec.name, spec.namespace, spec.uid, SANDBOX_CONTAINER, spec.attempt)

    @classmethod
    def parse(cls, labels: Mapping[str, str]) -> Identity | None:
        """None for a container whose labels are not ours or are broken."""
        try:
            return cls(
                is_sandbox={SANDBOX: True, CONTAINER: False}[labels[TYPE]],
                pod_name=labels[POD_NAME],
                pod_namespace=labels[POD_NAMESPACE],
                pod_uid=labels[POD_UID],
                container=labels[CONTAINER_NAME],
                attempt=int(labels[ATTEMPT]),
                sandbox_id=labels.get(SANDBOX_ID, ""),
                image=labels.get(IMAGE, ""),
                spec_hash=labels.get(SPEC_HASH, ""),
                image_ref=labels.get(IMAGE_REF, ""),
            )
        except (KeyError, ValueError):
            return None

    def labels(self) -> dict[str, str]:
        labels = {
            TYPE: SANDBOX if self.is_sandbox else CONTAINER,
            POD_NAME: self.pod_name,
            POD_NAMESPACE: self.pod_namespace,
            POD_UID: self.pod_uid,
            CONTAINER_NAME: self.container,
            ATTEMPT: str(self.attempt),
        }
        if not self.is_sandbox:
            labels |= {SANDBOX_ID: self.sandbox_id, IMAGE: self.image, SPEC_HASH: self.spec_hash}
            labels[IMAGE_REF] = self.image_ref
        return labels

    def name(self) -> str:
        parts = ("k8s", self.container, self.pod_name, self.pod_namespace, self.pod_uid, str(self.attempt))
        return "_".join(parts)


def with_scheme(docker_id: str) -> str:
    return SCHEME + docker_id


def without_scheme(container_id: str) -> str:
    """Docker's own id of `docker://...`; accepts it bare too."""
    return container_id.removeprefix(SCHEME)
