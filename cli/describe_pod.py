"""describe of pods and of pod templates."""

from __future__ import annotations

from typing import Any

from kube_actors.api import Obj
from kube_actors.api.meta import controller_of

from .ages import full_time
from .describe_text import NONE, Text


def pod(text: Text, obj: Obj) -> None:
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    text.field(0, "Name", metadata["name"])
    text.field(0, "Namespace", metadata.get("namespace", ""))
    text.field(0, "Priority", spec.get("priority", 0))
    text.field(0, "Service Account", spec.get("serviceAccountName", ""))
    node = spec.get("nodeName")
    text.field(0, "Node", f"{node}/{status.get('hostIP', '')}" if node else NONE)
    if status.get("startTime"):
        text.field(0, "Start Time", full_time(status["startTime"]))
    text.pairs("Labels", metadata.get("labels"))
    text.annotations(obj)
    text.field(0, "Status", _phase(obj))
    for key, name in (("reason", "Reason"), ("message", "Message")):
        if status.get(key):
            text.field(0, name, status[key])
    text.field(0, "IP", status.get("podIP", ""))
    text.write(0, "IPs:" if status.get("podIPs") else f"IPs:\t{NONE}")
    for address in status.get("podIPs") or ():
        text.field(1, "IP", address["ip"])
    owner = controller_of(obj)
    if owner:
        text.field(0, "Controlled By", f"{owner['kind']}/{owner['name']}")
    if spec.get("initContainers"):
        containers(text, "Init Containers", spec["initContainers"], status.get("initContainerStatuses") or ())
    containers(text, "Containers", spec.get("containers") or (), status.get("containerStatuses") or ())
    if status.get("conditions"):
        text.write(0, "Conditions:")
        text.write(1, "Type\tStatus ")
        for condition in status["conditions"]:
            text.write(1, f"{condition['type']}\t{condition['status']} ")
    volumes(text, spec.get("volumes") or ())
    text.field(0, "QoS Class", status.get("qosClass", ""))
    text.pairs("Node-Selectors", spec.get("nodeSelector"))
    text.several("Tolerations", [_toleration(each) for each in spec.get("tolerations") or ()])


def template(text: Text, content: Obj) -> None:
    """`Pod Template:` of a workload."""
    text.write(0, "Pod Template:")
    metadata, spec = content.get("metadata") or {}, content.get("spec") or {}
    inner = Text()
    inner.pairs("Labels", metadata.get("labels"))
    if metadata.get("annotations"):
        inner.pairs("Annotations", metadata["annotations"], ": ")
    if spec.get("serviceAccountName"):
        inner.field(0, "Service Account", spec["serviceAccountName"])
    if spec.get("initContainers"):
        containers(inner, "Init Containers", spec["initContainers"], ())
    containers(inner, "Containers", spec.get("containers") or (), ())
    volumes(inner, spec.get("volumes") or ())
    inner.pairs("Node-Selectors", spec.get("nodeSelector"))
    inner.several("Tolerations", [_toleration(each) for each in spec.get("tolerations") or ()])
    for line in inner.lines:
        text.write(1, line)


def containers(text: Text, title: str, specs: Any, statuses: Any) -> None:
    by_name = {status["name"]: status for status in statuses}
    text.write(0, f"{title}:")
    for spec in specs:
        status = by_name.get(spec["name"])
        text.write(1, f"{spec['name']}:")
        if status:
            text.field(2, "Container ID", status.get("containerID", ""))
        text.field(2, "Image", spec.get("image", ""))
        if status:
            text.field(2, "Image ID", status.get("imageID", ""))
        ports = spec.get("ports") or ()
        plural = "s" if len(ports) > 1 else ""
        text.field(2, f"Port{plural}", ", ".join(_port(each, "containerPort") for each in ports) or NONE)
        text.field(2, f"Host Port{plural}", ", ".join(_port(each, "hostPort") for each in ports) or NONE)
        for key in ("command", "args"):
            if spec.get(key):
                text.write(2, f"{key.capitalize()}:")
                for part in spec[key]:
                    for line in str(part).split("\n"):
                        text.write(3, line.replace("\t", "    "))
        if status:
            _state(text, "State", status.get("state") or {})
            if status.get("lastState"):
                _state(text, "Last State", status["lastState"])
            text.field(2, "Ready", "True" if status.get("ready") else "False")
            text.field(2, "Restart Count", status.get("restartCount", 0))
        for key in ("limits", "requests"):
            amounts = (spec.get("resources") or {}).get(key)
            if amounts:
                text.write(2, f"{key.capitalize()}:")
                for name, amount in sorted(amounts.items()):
                    text.field(3, name, amount)
        for key, name in (("livenessProbe", "Liveness"), ("readinessProbe", "Readiness"), ("startupProbe", "Startup")):
            if spec.get(key):
                text.field(2, name, _probe(spec[key]))
        _environment(text, spec)
        mounts = sorted(spec.get("volumeMounts") or (), key=lambda mount: str(mount["mountPath"]))
        text.write(2, "Mounts:" if mounts else f"Mounts:\t{NONE}")
        for mount in mounts:
            flags = "ro" if mount.get("readOnly") else "rw"
            path = f',path="{mount["subPath"]}"' if mount.get("subPath") else ""
            text.write(3, f"{mount['mountPath']} from {mount['name']} ({flags}{path})")


def volumes(text: Text, content: Any) -> None:
    if not content:
        text.write(0, f"Volumes:\t{NONE}")
        return
    text.write(0, "Volumes:")
    for volume in content:
        text.write(1, f"{volume['name']}:")
        kind = next((key for key in volume if key != "name"), "emptyDir")
        for name, value in _volume_lines(kind, volume.get(kind) or {}):
            text.field(2, name, value)


def _volume_lines(kind: str, source: Obj) -> list[tuple[str, Any]]:
    optional = str(bool(source.get("optional"))).lower()
    if kind == "configMap":
        note = "ConfigMap (a volume populated by a ConfigMap)"
        return [("Type", note), ("Name", source.get("name", "")), ("Optional", optional)]
    if kind == "secret":
        note = "Secret (a volume populated by a Secret)"
        return [("Type", note), ("SecretName", source.get("secretName", "")), ("Optional", optional)]
    if kind == "emptyDir":
        note = "EmptyDir (a temporary directory that shares a pod's lifetime)"
        return [("Type", note), ("Medium", source.get("medium", "")), ("SizeLimit", source.get("sizeLimit", "<unset>"))]
    if kind == "hostPath":
        note = "HostPath (bare host directory volume)"
        return [("Type", note), ("Path", source.get("path", "")), ("HostPathType", source.get("type", ""))]
    if kind == "projected":
        note = "Projected (a volume that contains injected data from multiple sources)"
        lines: list[tuple[str, Any]] = [("Type", note)]
        for each in source.get("sources") or ():
            lines += _projection(each)
        return lines
    return [("Type", kind), *sorted(source.items())]


def _projection(source: Obj) -> list[tuple[str, Any]]:
    if "serviceAccountToken" in source:
        return [("TokenExpirationSeconds", source["serviceAccountToken"].get("expirationSeconds", ""))]
    if "configMap" in source:
        content = source["configMap"]
        return [("ConfigMapName", content.get("name", "")), ("Optional", str(bool(content.get("optional"))).lower())]
    if "secret" in source:
        content = source["secret"]
        return [("SecretName", content.get("name", "")), ("Optional", str(bool(content.get("optional"))).lower())]
    if "downwardAPI" in source:
        return [("DownwardAPI", "true")]
    return []


def _environment(text: Text, spec: Obj) -> None:
    sources = spec.get("envFrom") or ()
    if sources:
        text.write(2, "Environment Variables from:")
        for source in sources:
            kind, content = (
                ("ConfigMap", source["configMapRef"])
                if "configMapRef" in source
                else ("Secret", source.get("secretRef") or {})
            )
            text.write(3, f"{content.get('name', '')}\t{kind}\tOptional: {str(bool(content.get('optional'))).lower()}")
    variables = spec.get("env") or ()
    text.write(2, "Environment:" if variables else f"Environment:\t{NONE}")
    for variable in variables:
        text.write(3, f"{variable['name']}:\t{_value(variable)}")


def _value(variable: Obj) -> str:
    source = variable.get("valueFrom")
    if not source:
        return str(variable.get("value", "")).replace("\n", "\\n").replace("\t", "\\t")
    if "fieldRef" in source:
        return f" ({source['fieldRef'].get('apiVersion', 'v1')}:{source['fieldRef']['fieldPath']})"
    if "resourceFieldRef" in source:
        return f" ({source['resourceFieldRef']['resource']})"
    for key, kind in (("configMapKeyRef", "config map"), ("secretKeyRef", "secret")):
        if key in source:
            ref = source[key]
            optional = str(bool(ref.get("optional"))).lower()
            return f"<set to the key '{ref['key']}' of {kind} '{ref.get('name', '')}'>\tOptional: {optional}"
    return ""


def _state(text: Text, name: str, state: Obj) -> None:
    kind = next(iter(state), "waiting")
    content = state.get(kind) or {}
    text.field(2, name, kind.capitalize())
    for key, label in (("reason", "Reason"), ("message", "Message"), ("signal", "Signal")):
        if content.get(key):
            text.field(3, label, str(content[key]).replace("\n", " "))
    if kind == "terminated":
        text.field(3, "Exit Code", content.get("exitCode", 0))
    for key, label in (("startedAt", "Started"), ("finishedAt", "Finished")):
        if content.get(key):
            text.field(3, label, full_time(content[key]))


def _probe(probe: Obj) -> str:
    numbers = (
        f"delay={probe.get('initialDelaySeconds', 0)}s timeout={probe.get('timeoutSeconds', 1)}s "
        f"period={probe.get('periodSeconds', 10)}s #success={probe.get('successThreshold', 1)} "
        f"#failure={probe.get('failureThreshold', 3)}"
    )
    if "httpGet" in probe:
        get = probe["httpGet"]
        scheme, host = str(get.get("scheme", "HTTP")).lower(), get.get("host", "")
        return f"http-get {scheme}://{host}:{get['port']}{get.get('path', '')} {numbers}"
    if "tcpSocket" in probe:
        return f"tcp-socket {probe['tcpSocket'].get('host', '')}:{probe['tcpSocket']['port']} {numbers}"
    if "exec" in probe:
        return f"exec {probe['exec'].get('command') or []} {numbers}".replace("'", "").replace(",", "")
    if "grpc" in probe:
        return f"grpc <pod>:{probe['grpc']['port']} {probe['grpc'].get('service') or ''} {numbers}"
    return f"unknown {numbers}"


def _port(port: Obj, key: str) -> str:
    return f"{port.get(key, 0)}/{port.get('protocol', 'TCP')}" + (f" ({port['name']})" if port.get("name") else "")


def _toleration(toleration: Obj) -> str:
    text = str(toleration.get("key", ""))
    if toleration.get("value"):
        text += f"={toleration['value']}"
    if toleration.get("effect"):
        text += f":{toleration['effect']}"
    if toleration.get("operator") == "Exists" and not toleration.get("value"):
        text += " op=Exists"
    seconds = toleration.get("tolerationSeconds")
    return f"{text} for {seconds}s" if seconds is not None else text


def _phase(obj: Obj) -> str:
    metadata, status = obj["metadata"], obj.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return f"Terminating (since {full_time(metadata['deletionTimestamp'])})"
    return str(status.get("phase", ""))
