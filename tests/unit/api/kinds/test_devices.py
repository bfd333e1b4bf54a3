"""Claims of devices, classes of them, and slices of what drivers have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Faults = Callable[..., list[str]]
REQUEST = {"name": "r", "exactly": {"deviceClassName": "c"}}
SLICE = {"driver": "d.example.com", "pool": {"name": "p", "resourceSliceCount": 1}, "nodeName": "n"}


def claim(*requests: Any, **devices: Any) -> dict[str, Any]:
    return {"spec": {"devices": {"requests": list(requests), **devices}}}


def test_a_request_is_for_one_device_unless_it_says_more(make: Any) -> None:
    spec = make("ResourceClaim", claim(REQUEST))["spec"]
    assert spec["devices"]["requests"][0]["exactly"] == {
        "deviceClassName": "c",
        "allocationMode": "ExactCount",
        "count": 1,
    }


def test_a_request_is_exact_or_has_alternatives(faults: Faults) -> None:
    text = "exactly one of `exactly` or `firstAvailable` is required"
    assert faults("ResourceClaim", claim({"name": "r"})) == [f"spec.devices.requests[0]: Required value: {text}"]
    both = {**REQUEST, "firstAvailable": [{"name": "a", "deviceClassName": "c"}]}
    assert faults("ResourceClaim", claim(both)) == [
        f"spec.devices.requests[0]: Invalid value: null: {text}, but multiple fields are set"
    ]


def test_constraints_speak_of_requests_and_alternatives_that_there_are(faults: Faults) -> None:
    alternatives = {"name": "s", "firstAvailable": [{"name": "a", "deviceClassName": "c"}]}
    constraint = {"matchAttribute": "example.com/model", "requests": ["r", "s/a", "s/b"]}
    assert faults("ResourceClaim", claim(REQUEST, alternatives, constraints=[constraint])) == [
        'spec.devices.constraints[0].requests[2]: Invalid value: "s/b": must be the name of a request in the claim or '
        "the name of a request and a subrequest separated by '/'"
    ]


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ('device.driver == "d" && device.attributes["d"].model == "x"', None),
        ('device.attributes["d"].big', None),
        ("1", 'Invalid value: "1": must evaluate to bool or the unknown type, not int'),
    ],
)
def test_a_selector_says_whether_a_device_will_do(faults: Faults, expression: str, fault: str | None) -> None:
    found = faults("DeviceClass", {"spec": {"selectors": [{"cel": {"expression": expression}}]}})
    assert found == ([f"spec.selectors[0].cel.expression: {fault}"] if fault else [])


def test_a_claim_keeps_what_it_asks_for(make: Any, change: Any) -> None:
    old = make("ResourceClaim", claim(REQUEST))
    found = change(old, claim({"name": "q", "exactly": {"deviceClassName": "c"}}))[1]
    assert found == [
        'spec: Invalid value: {"Devices":{"Requests":[{"Name":"q","Exactly":{"DeviceClassName":"c","Selectors":null,'
        '"AllocationMode":"ExactCount","Count":1,"AdminAccess":null,"Tolerations":null,"Capacity":null},'
        '"FirstAvailable":null}],"Constraints":null,"Config":null}}: field is immutable'
    ]


def test_an_allocation_is_of_requests_of_the_claim(make: Any, change: Any) -> None:
    old = make("ResourceClaim", claim(REQUEST))
    results = [{"request": "q", "driver": "d.example.com", "pool": "p", "device": "x"}]
    status = {"status": {"allocation": {"devices": {"results": results}}}}
    found = change(old, status, "status")[1]
    assert [text.partition(":")[0] for text in found] == ["status.allocation.devices.results[0].request"]


@pytest.mark.parametrize(
    ("attribute", "fault"),
    [
        ({"version": "1.2.3-rc.1+build"}, None),
        ({"version": "1.2"}, '.version: Invalid value: "1.2": must be a string compatible with semver.org spec 2.0.0'),
        ({"int": 0}, None),
        ({}, ': Invalid value: "": exactly one value must be specified'),
    ],
)
def test_an_attribute_has_one_value_of_its_type(faults: Faults, attribute: Any, fault: str | None) -> None:
    found = faults("ResourceSlice", {"spec": {**SLICE, "devices": [{"name": "a", "attributes": {"m": attribute}}]}})
    assert found == ([f"spec.devices[0].attributes[m]{fault}"] if fault else [])


def test_since_when_a_device_is_tainted_is_written_down(make: Any) -> None:
    taints = [{"key": "k", "effect": "NoSchedule"}]
    spec = make("ResourceSlice", {"spec": {**SLICE, "devices": [{"name": "a", "taints": taints}]}})["spec"]
    assert spec["devices"][0]["taints"][0]["timeAdded"] == "2026-01-01T00:00:00Z"


def test_devices_choose_nodes_only_where_the_slice_leaves_it_to_them(faults: Faults) -> None:
    device = {"name": "a", "allNodes": True}
    assert (
        "can only be set if `perDeviceNodeSelection`"
        in faults("ResourceSlice", {"spec": {**SLICE, "devices": [device]}})[0]
    )
    own = {**SLICE, "perDeviceNodeSelection": True, "devices": [device]}
    del own["nodeName"]
    assert faults("ResourceSlice", {"spec": own}) == []


def test_conditions_for_binding_come_with_conditions_of_failure(faults: Faults) -> None:
    device = {"name": "a", "bindingConditions": ["x"]}
    assert faults("ResourceSlice", {"spec": {**SLICE, "devices": [device]}}) == [
        "spec.devices[0].bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use "
        "bindingConditions"
    ]
