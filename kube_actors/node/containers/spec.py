"""The specification of a container as the runtime takes it, from the pod and what it refers to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

from kube_actors.api import Obj
from kube_actors.node.containers.environment import (
    CONFIG_MAP,
    EnvironmentInputs,
    Source,
    environment,
    service_variables,
    sources_of,
)
from kube_actors.node.containers.expansion import expand_all
from kube_actors.node.containers.field_refs import PodAddresses
from kube_actors.node.containers.references import References
from kube_actors.node.containers.resources import limits_of, oom_score_adj
from kube_actors.node.containers.security import security_of
from kube_actors.node.images.pulled import image_ref
from kube_actors.node.pods.plan import spec_hash
from kube_actors.node.runtime.interface import BlockDevice, ContainerSpec, DeviceGrant, Image, Mount

ServiceLister = Callable[[], Awaitable[Iterable[Obj]]]


class ContainerSpecs:
    """Builds container specifications. `services` lists all services of the cluster."""

    def __init__(self, references: References, services: ServiceLister, node_memory: int, root: Path) -> None:
        self._references = references
        self._services = services
        self._node_memory = node_memory
        # Below kubelet's root folder too.
        self._seccomp = root / "seccomp"

    async def environment(self, pod: Obj, container: Obj, addresses: PodAddresses, since: float) -> dict[str, str]:
        """Raises ConfigFailure; ApiError or RpcError where a source cannot be read now."""
        namespace = str(pod["metadata"]["namespace"])
        found: dict[Source, Obj] = {}
        for source in sources_of(container):
            get = self._references.config_map if source.kind == CONFIG_MAP else self._references.secret
            obj = await get(namespace, source.name, since)
            if obj is not None:
                found[source] = obj
        links = pod["spec"].get("enableServiceLinks") is not False
        services = service_variables(await self._services(), namespace, links=links)
        return environment(pod, container, EnvironmentInputs(addresses, found, services))

    def build(
        self,
        pod: Obj,
        container: Obj,
        image: Image,
        env: dict[str, str],
        mounts: Sequence[Mount],
        block_devices: Sequence[BlockDevice],
        attempt: int,
        devices: tuple[DeviceGrant, ...] = (),
    ) -> ContainerSpec:
        """Raises ConfigFailure where the security context forbids the image's user, RuntimeFailure without its
        seccomp profile."""
        return ContainerSpec(
            name=str(container["name"]),
            image=str(container["image"]),
            command=expand_all(container["command"], env) if container.get("command") else None,
            args=expand_all(container["args"], env) if container.get("args") else None,
            env=tuple(env.items()),
            working_dir=str(container.get("workingDir") or ""),
            mounts=tuple(mounts),
            block_devices=tuple(block_devices),
            limits=limits_of(pod, container),
            oom_score_adj=oom_score_adj(pod, container, self._node_memory),
            security=security_of(pod, container, image, self._seccomp),
            stdin=bool(container.get("stdin")),
            stdin_once=bool(container.get("stdinOnce")),
            tty=bool(container.get("tty")),
            stop_signal=str((container.get("lifecycle") or {}).get("stopSignal") or ""),
            devices=devices,
            attempt=attempt,
            spec_hash=spec_hash(container),
            image_ref=image_ref(image, str(container["image"])),
        )
