"""How access, admission, scheduling and flow control are printed."""

from __future__ import annotations

from typing import Any

from kube_actors.api import Obj
from kube_actors.api.tables.cells import NONE, UNSET, name_of, named, wide
from kube_actors.api.tables.durations import duration_human
from kube_actors.api.tables.engine import AGE, NAME, Column, Printer, age


def _subjects(obj: Obj, kind: str) -> str:
    found = [one for one in obj.get("subjects") or () if one.get("kind") == kind]
    if kind == "ServiceAccount":
        return ", ".join(f"{one.get('namespace', '')}/{one.get('name', '')}" for one in found)
    return ", ".join(one.get("name", "") for one in found)


def _binding(obj: Obj, now: float) -> list[Any]:
    role = obj.get("roleRef") or {}
    subjects = (_subjects(obj, kind) for kind in ("User", "Group", "ServiceAccount"))
    return [name_of(obj), f"{role.get('kind', '')}/{role.get('name', '')}", age(obj, now), *subjects]


def _binding_columns(kind: str, role: str) -> tuple[Column, ...]:
    subjects = (wide(name, f"{name} in the {kind}") for name in ("Users", "Groups", "ServiceAccounts"))
    return (NAME, Column("Role", role), AGE, *subjects)


_UNRESOLVED = "If the RoleRef cannot be resolved, the Authorizer must return an error."
_CLUSTER_ROLE = f"RoleRef can only reference a ClusterRole in the global namespace. {_UNRESOLVED}"
_ROLE = "RoleRef can reference a Role in the current namespace or a ClusterRole in the global namespace. " + _UNRESOLVED


def _request(obj: Obj, now: float) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    seconds = spec.get("expirationSeconds")
    states = [one.get("type") for one in status.get("conditions") or ()]
    word = next((one for one in states if one in ("Approved", "Denied")), "Pending")
    if "Failed" in states:
        word += ",Failed"
    if status.get("certificate"):
        word += ",Issued"
    return [
        name_of(obj),
        age(obj, now),
        spec.get("signerName") or NONE,
        spec.get("username", ""),
        duration_human(seconds) if seconds is not None else NONE,
        word,
    ]


_SIGNER = (
    "Requested signer for the request. It is a qualified name in the form: `scope-hostname.io/name`. If empty, it "
    "will be defaulted:\n 1. If it's a kubelet client certificate, it is assigned\n    "
    '"kubernetes.io/kube-apiserver-client-kubelet".\n 2. If it\'s a kubelet serving certificate, it is assigned\n    '
    '"kubernetes.io/kubelet-serving".\n 3. Otherwise, it is assigned "kubernetes.io/legacy-unknown".\n'
    "Distribution of trust for signers happens out of band. You can select on this field using `spec.signerName`."
)


def _param_kind(obj: Obj) -> str:
    kind = obj["spec"].get("paramKind")
    return f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else UNSET


def _param_ref(obj: Obj) -> str:
    reference = obj["spec"].get("paramRef")
    if not reference:
        return UNSET
    if reference.get("name"):
        namespace = reference.get("namespace")
        return f"{namespace}/{reference['name']}" if namespace else f"*/{reference['name']}"
    return _go_selector(reference.get("selector") or {})


def _go_selector(selector: Obj) -> str:
    """A LabelSelector as Go prints the struct."""
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{one.get('key', '')},Operator:{one.get('operator', '')},"
        f"Values:[{' '.join(one.get('values') or ())}],}},"
        for one in selector.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )


def _webhooks() -> Printer:
    text = "Webhooks indicates the number of webhooks registered in this configuration"
    return named((Column("Webhooks", text, "integer"), lambda obj: len(obj.get("webhooks") or ())))


_PARAM_KIND = (
    Column("ParamKind", "ParamKind specifies the kind of resources used to parameterize this policy"),
    _param_kind,
)


def _policy(column: str, field: str, text: str) -> Printer:
    return named((Column(column, text, "integer"), lambda obj: len(obj["spec"].get(field) or ())), _PARAM_KIND)


def _policy_binding() -> Printer:
    name = "PolicyName indicates the policy definition which the policy binding binded to"
    reference = "ParamRef indicates the param resource which sets the configuration param"
    return named(
        (Column("PolicyName", name), lambda obj: obj["spec"].get("policyName", "")),
        (Column("ParamRef", reference), _param_ref),
    )


def _priority_level(obj: Obj, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    limited = spec.get("limited") or spec.get("exempt") or {}
    queuing = (limited.get("limitResponse") or {}).get("queuing") or {}
    values = (queuing.get(field, NONE) for field in ("queues", "handSize", "queueLengthLimit"))
    shares = limited.get("nominalConcurrencyShares", NONE)
    return [name_of(obj), spec.get("type", ""), shares, *values, age(obj, now)]


def _flow_schema(obj: Obj, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    conditions = (obj.get("status") or {}).get("conditions") or ()
    dangling = next((one.get("status") for one in conditions if one.get("type") == "Dangling"), "?")
    return [
        name_of(obj),
        (spec.get("priorityLevelConfiguration") or {}).get("name", NONE),
        spec.get("matchingPrecedence", 0),
        (spec.get("distinguisherMethod") or {}).get("type", NONE),
        age(obj, now),
        dangling,
    ]


def _priority_class(obj: Obj, now: float) -> list[Any]:
    return [
        name_of(obj),
        obj.get("value", 0),
        bool(obj.get("globalDefault")),
        age(obj, now),
        obj.get("preemptionPolicy", "PreemptLowerPriority"),
    ]


def _api_service(obj: Obj, now: float) -> list[Any]:
    service = (obj.get("spec") or {}).get("service")
    where = f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"
    conditions = (obj.get("status") or {}).get("conditions") or ()
    available = next((one for one in conditions if one.get("type") == "Available"), None)
    if available is None:
        shown = "Unknown"
    elif available.get("status") == "True" or not available.get("reason"):
        shown = available.get("status", "")
    else:
        shown = f"{available.get('status', '')} ({available['reason']})"
    return [name_of(obj), where, shown, age(obj, now)]


_LEVEL = "=flowcontrol.QueuingConfiguration"

PRINTERS = {
    "APIService": Printer(
        (
            NAME,
            Column("Service", "The reference to the service that hosts this API endpoint."),
            Column("Available", "Whether this service is available."),
            AGE,
        ),
        _api_service,
    ),
    "CertificateSigningRequest": Printer(
        (
            NAME,
            AGE,
            Column("SignerName", _SIGNER),
            Column("Requestor", "Base64-encoded PKCS#10 CSR data"),
            Column("RequestedDuration", "=certificates.CertificateSigningRequestSpec.expirationSeconds"),
            Column("Condition", "Conditions applied to the request, such as approval or denial."),
        ),
        _request,
    ),
    "ClusterRoleBinding": Printer(_binding_columns("clusterRoleBinding", _CLUSTER_ROLE), _binding),
    "DeviceClass": named(),
    "FlowSchema": Printer(
        (
            NAME,
            Column("PriorityLevel", "=flowcontrol.PriorityLevelConfigurationReference.name"),
            Column("MatchingPrecedence", "=flowcontrol.FlowSchemaSpec.matchingPrecedence"),
            Column("DistinguisherMethod", "=flowcontrol.FlowSchemaSpec.distinguisherMethod"),
            AGE,
            Column("MissingPL", "references a broken or non-existent PriorityLevelConfiguration"),
        ),
        _flow_schema,
    ),
    "Lease": named(
        (
            Column("Holder", "=coordination.LeaseSpec.holderIdentity"),
            lambda obj: (obj.get("spec") or {}).get("holderIdentity", ""),
        ),
    ),
    "MutatingAdmissionPolicy": _policy(
        "Mutations", "mutations", "Mutation indicates the number of mutations rules defined in this configuration"
    ),
    "MutatingAdmissionPolicyBinding": _policy_binding(),
    "MutatingWebhookConfiguration": _webhooks(),
    "PriorityClass": Printer(
        (
            NAME,
            Column("Value", "=scheduling.PriorityClass.value", "integer"),
            Column("Global-Default", "=scheduling.PriorityClass.globalDefault", "boolean"),
            AGE,
            Column("PreemptionPolicy", "=scheduling.PriorityClass.preemptionPolicy"),
        ),
        _priority_class,
    ),
    "PriorityLevelConfiguration": Printer(
        (
            NAME,
            Column("Type", "=flowcontrol.PriorityLevelConfigurationSpec.type"),
            Column(
                "NominalConcurrencyShares",
                "=flowcontrol.LimitedPriorityLevelConfiguration.nominalConcurrencyShares",
            ),
            Column("Queues", f"{_LEVEL}.queues"),
            Column("HandSize", f"{_LEVEL}.handSize"),
            Column("QueueLengthLimit", f"{_LEVEL}.queueLengthLimit"),
            AGE,
        ),
        _priority_level,
    ),
    "ResourceClaimTemplate": named(),
    "RoleBinding": Printer(_binding_columns("roleBinding", _ROLE), _binding),
    "RuntimeClass": named((Column("Handler"), lambda obj: obj.get("handler", ""))),
    "ValidatingAdmissionPolicy": _policy(
        "Validations",
        "validations",
        "Validations indicates the number of validation rules defined in this configuration",
    ),
    "ValidatingAdmissionPolicyBinding": _policy_binding(),
    "ValidatingWebhookConfiguration": _webhooks(),
}
