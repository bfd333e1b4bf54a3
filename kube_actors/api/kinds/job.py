"""Job: pods that run until enough of them have succeeded (k8s.io/kubernetes/pkg/apis/batch/validation)."""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.defaults.pods import pod_template
from kube_actors.api.kinds.kind import Kind, RestRules
from kube_actors.api.selectors import LabelSelector
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.internal import shown_template
from kube_actors.api.validation.jobs import job_spec
from kube_actors.api.validation.metadata import label_selector, shown_selector
from kube_actors.api.validation.rules import Rules

_UNLIMITED = 2**31 - 1
_COUNTED = ("active", "succeeded", "failed", "ready", "terminating")
_UID = "batch.kubernetes.io/controller-uid"


def _spec_defaults(spec: Obj) -> None:
    """A CronJob's template gets none of these, only those of its pods."""
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = spec["parallelism"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", _UNLIMITED if "backoffLimitPerIndex" in spec else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    policy = spec.get("podFailurePolicy")
    for rule in (policy or {}).get("rules") or ():
        for pattern in rule.get("onPodConditions") or ():
            pattern.setdefault("status", "True")
    spec.setdefault("podReplacementPolicy", "Failed" if policy else "TerminatingOrFailed")


def _defaults(obj: Obj) -> None:
    spec = obj["spec"]
    pod_template(spec.get("template"))
    labels = (spec.get("template", {}).get("metadata") or {}).get("labels")
    if labels and not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)
    _spec_defaults(spec)


def _prepare_create(obj: Obj) -> None:
    """The selector and the labels by which a Job finds its pods, unless it brings its own."""
    spec, uid, name = obj["spec"], obj["metadata"].get("uid", ""), obj["metadata"].get("name", "")
    if spec.get("manualSelector"):
        return
    labels = spec.setdefault("template", {}).setdefault("metadata", {}).setdefault("labels", {})
    marks = {
        "controller-uid": uid,
        "job-name": name,
        _UID: uid,
        "batch.kubernetes.io/job-name": name,
    }
    for key, value in marks.items():
        labels.setdefault(key, value)
    if not obj["metadata"].get("labels"):
        obj["metadata"]["labels"] = dict(labels)
    selector = spec.setdefault("selector", {})
    selector.setdefault("matchLabels", {}).setdefault(_UID, uid)


def _create(causes: Causes, obj: Obj) -> None:
    _generated_selector(causes, obj)
    _selected_job_spec(causes, obj["spec"])


def _selected_job_spec(causes: Causes, spec: Obj) -> None:
    """The spec of a Job, whose selector has to select the pods of its template."""
    job_spec(causes, spec, "spec")
    selector = spec.get("selector")
    if selector is None:
        causes.required("spec.selector")
    else:
        label_selector(causes, selector, "spec.selector")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    try:
        matches = selector is not None and LabelSelector.from_object(selector).matches(labels)
    except ValueError:
        return
    if not matches:
        text = "`selector` does not match template `labels`"
        causes.invalid("spec.template.metadata.labels", dict(sorted(labels.items())) if labels else None, text)


def _generated_selector(causes: Causes, obj: Obj) -> None:
    """What the server generates, a client may not give otherwise."""
    spec = obj["spec"]
    uid, name = obj["metadata"].get("uid", ""), obj["metadata"].get("name", "")
    selector = spec.get("selector")
    if spec.get("manualSelector") or selector is None:
        return
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    marks = {"controller-uid": uid, "job-name": name}
    for key, value in (*marks.items(), *((f"batch.kubernetes.io/{mark}", marks[mark]) for mark in marks)):
        if key in labels and labels[key] != value:
            causes.invalid(f"spec.template.metadata.labels[{key}]", dict(sorted(labels.items())), f"must be '{value}'")
    expected = {_UID: uid}
    found = selector.get("matchLabels") or {}
    if found not in (expected, {"controller-uid": uid}) or selector.get("matchExpressions"):
        causes.invalid("spec.selector", shown_selector(selector), "`selector` not auto-generated")


def _update(causes: Causes, new: Obj, old: Obj) -> None:
    """Both ValidateJob and ValidateJobUpdate, which check the spec each."""
    _create(causes, new)
    spec, before = new["spec"], old["spec"]
    _selected_job_spec(causes, spec)
    _completions(causes, spec, before)
    if spec.get("selector") != before.get("selector"):
        causes.invalid("spec.selector", shown_selector(spec.get("selector")), "field is immutable")
    if spec.get("template") != _changed_template(spec, old):
        causes.invalid("spec.template", shown_template(spec.get("template") or {}), "field is immutable")
    for field in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        causes.immutable(f"spec.{field}", spec.get(field), before.get(field))


def _completions(causes: Causes, spec: Obj, before: Obj) -> None:
    completions = spec.get("completions")
    if completions == before.get("completions"):
        return
    if spec.get("completionMode") != "Indexed":
        causes.immutable("spec.completions", completions, before.get("completions"))
    elif completions is not None and completions != spec.get("parallelism"):
        causes.invalid("spec.completions", completions, "can only be modified in tandem with spec.parallelism")


def _changed_template(spec: Obj, old: Obj) -> Obj:
    """The old template, with what a suspended Job that never ran may change about where its pods run."""
    template: Obj = old["spec"].get("template") or {}
    if not old["spec"].get("suspend") or (old.get("status") or {}).get("startTime"):
        return template
    wanted = spec.get("template") or {}
    return {
        **template,
        "metadata": _taken(template.get("metadata"), wanted.get("metadata"), ("annotations", "labels")),
        "spec": {
            **_taken(template.get("spec"), wanted.get("spec"), ("nodeSelector", "tolerations", "schedulingGates")),
            **_node_affinity(template.get("spec") or {}, wanted.get("spec") or {}),
        },
    }


def _taken(old: Obj | None, new: Obj | None, fields: tuple[str, ...]) -> Obj:
    """`old` with these fields as `new` has them."""
    kept = {key: value for key, value in (old or {}).items() if key not in fields}
    return kept | {key: value for key, value in (new or {}).items() if key in fields}


def _node_affinity(old: Obj, new: Obj) -> Obj:
    """The affinity of pods is kept, that of nodes is the new one."""
    affinity = _taken(old.get("affinity"), new.get("affinity"), ("nodeAffinity",))
    return {"affinity": affinity} if affinity or "affinity" in new else {}


def _status(causes: Causes, new: Obj, old: Obj) -> None:
    for field in _COUNTED:
        causes.not_negative(f"status.{field}", (new.get("status") or {}).get(field, 0))


KIND = Kind(
    rules=Rules(create=_create, update=_update, status=_status),
    rest=RestRules(default_propagation="Orphan"),
    defaults=_defaults,
    counted=("spec",),
    prepare_create=_prepare_create,
)
