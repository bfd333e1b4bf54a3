"""Which address families a Service has, from what its client said and what the cluster has.

Kubernetes: initIPFamilyFields of pkg/registry/core/service/storage/alloc.go. It comes before addresses are taken,
and so before the other checks of a Service.
"""

from __future__ import annotations

from kube_actors.api import Obj
from kube_actors.api.errors import Cause
from kube_actors.api.validation import references
from kube_actors.api.validation.causes import Causes
from kube_actors.api.validation.services import cluster_addresses

SINGLE, REQUIRED = "SingleStack", "RequireDualStack"
_OTHER = {"IPv4": "IPv6", "IPv6": "IPv4"}
IPV4_ONLY = ("IPv4",)


def settle(spec: Obj, before: Obj, configured: tuple[str, ...] = IPV4_ONLY) -> list[Cause]:
    """Fill in ipFamilies and ipFamilyPolicy; `before` is the spec in the store, empty for a new Service.

    `configured` are the families of the cluster, the default one first. Returns why it cannot be so.
    """
    if spec.get("type") == "ExternalName" or _is_as_before(spec, before):
        return []
    # Headless and without a selector: whoever writes its endpoints may use any family.
    free = spec.get("clusterIP") == "None" and not spec.get("selector")
    if not spec.get("ipFamilyPolicy"):
        spec["ipFamilyPolicy"] = before.get("ipFamilyPolicy") or (REQUIRED if free else SINGLE)
    causes = Causes()
    cluster_addresses(causes, spec)
    if causes:
        return causes
    _check_policy(causes, spec, before)
    _infer(causes, spec, configured)
    if causes:
        return causes
    if not free:
        _check_configured(causes, spec, configured)
        if causes:
            return causes
    families = list(spec.get("ipFamilies") or configured[:1])
    if spec["ipFamilyPolicy"] != SINGLE and len(families) == 1 and (free or len(configured) == 2):
        families.append(_OTHER[families[0]])
    spec["ipFamilies"] = families
    return causes


def _is_as_before(spec: Obj, before: Obj) -> bool:
    """A PreferDualStack service is not changed because the cluster has another family now."""
    fields = ("ipFamilyPolicy", "ipFamilies", "clusterIPs")
    prefers = before.get("ipFamilyPolicy") == "PreferDualStack"
    return prefers and all(spec.get(field) == before.get(field) for field in fields)


def _check_policy(causes: Causes, spec: Obj, before: Obj) -> None:
    policy = spec["ipFamilyPolicy"]
    both = (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family"))
    for field, name in both:
        kept, wanted = before.get(field) or [], spec.get(field) or []
        if policy == SINGLE and kept == wanted and len(wanted) > 1:
            spec[field] = wanted[:1]
        elif policy != SINGLE and len(wanted) == 1 and len(kept) == 2 and kept[0] == wanted[0]:
            causes.invalid("spec.ipFamilyPolicy", policy, f"must be 'SingleStack' to release the secondary {name}")
    for field, name in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")):
        if policy == SINGLE and len(spec.get(field) or ()) == 2:
            text = f"must be 'RequireDualStack' or 'PreferDualStack' when multiple {name} are specified"
            causes.invalid("spec.ipFamilyPolicy", policy, text)


def _infer(causes: Causes, spec: Obj, configured: tuple[str, ...]) -> None:
    """Families that the client did not name are those of the addresses that it did."""
    addresses, families = spec.get("clusterIPs") or [], list(spec.get("ipFamilies") or ())
    for index, text in enumerate(addresses):
        address = references.parse_ip(text)
        if address is None:
            break
        if index < len(families):
            continue
        family = f"IPv{address.version}"
        if family in configured:
            families.append(family)
        else:
            causes.invalid(f"spec.clusterIPs[{index}]", addresses, f"{family} is not configured on this cluster")
    if families:
        spec["ipFamilies"] = families


def _check_configured(causes: Causes, spec: Obj, configured: tuple[str, ...]) -> None:
    if spec["ipFamilyPolicy"] == REQUIRED and len(configured) < 2:
        text = "this cluster is not configured for dual-stack services"
        causes.invalid("spec.ipFamilyPolicy", REQUIRED, text)
    for index, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in configured:
            causes.invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
