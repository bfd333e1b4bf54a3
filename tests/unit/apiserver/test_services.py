"""Services: addresses and ports that no two have."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from kube_actors.aio.clock import LoopClock
from kube_actors.api import errors
from kube_actors.api.resources import SERVICES
from kube_actors.apiserver.registry.allocation import IP_ADDRESSES, NODE_PORTS, Owner
from kube_actors.apiserver.registry.repair import Repairer, plan


def service(name: str, **spec):
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


def ports_taken(api):
    return [key for key in api.storage.state() if key.startswith(NODE_PORTS.encode())]


async def test_a_service_gets_an_address_of_the_range_and_gives_it_back(api):
    made = await api.create(SERVICES, service("a"))
    ip = made["spec"]["clusterIP"]
    assert ipaddress.ip_address(ip) in ipaddress.ip_network("10.96.0.0/12")
    assert made["spec"]["clusterIPs"] == [ip]
    address = await api.get(IP_ADDRESSES, ip)
    assert address["spec"]["parentRef"] == {
        "resource": "services", "namespace": "default", "name": "a",
    }  # fmt: skip
    await api.delete(SERVICES, "a")
    assert await api.names(IP_ADDRESSES) == []


async def test_an_address_that_is_asked_for_is_taken_once(api):
    await api.create(SERVICES, service("a", clusterIP="10.96.0.7"))
    with pytest.raises(errors.Invalid, match=r"failed to allocate IP 10.96.0.7: provided IP is already allocated"):
        await api.create(SERVICES, service("b", clusterIP="10.96.0.7"))
    with pytest.raises(errors.Invalid, match=r"does not match the current range"):
        await api.create(SERVICES, service("b", clusterIP="192.168.0.1"))


async def test_what_a_refused_service_had_taken_is_free_again(api):
    await api.create(SERVICES, service("a", type="NodePort"))
    before = (await api.names(IP_ADDRESSES), ports_taken(api))
    with pytest.raises(errors.AlreadyExists):
        await api.create(SERVICES, service("a", type="NodePort"))
    with pytest.raises(errors.Invalid):
        await api.create(SERVICES, service("b", type="NodePort", ports=[{"port": 0}]))
    await api.create(SERVICES, service("c", type="NodePort"), dry_run=True)
    assert (await api.names(IP_ADDRESSES), ports_taken(api)) == before


async def test_a_headless_service_and_an_external_name_have_no_address(api):
    headless = await api.create(SERVICES, service("a", clusterIP="None"))
    assert headless["spec"]["clusterIPs"] == ["None"]
    external = await api.create(
        SERVICES, {"metadata": {"name": "b"}, "spec": {"type": "ExternalName", "externalName": "example.com"}}
    )
    assert "clusterIP" not in external["spec"]
    assert await api.names(IP_ADDRESSES) == []


async def test_a_node_port_is_one_of_the_range_and_no_other_services(api):
    first = await api.create(SERVICES, service("a", type="NodePort"))
    port = first["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port <= 32767
    with pytest.raises(errors.Invalid, match=rf"Invalid value: {port}: provided port is already allocated"):
        await api.create(SERVICES, service("b", type="NodePort", ports=[{"port": 80, "nodePort": port}]))
    with pytest.raises(errors.Invalid, match=r"The range of valid ports is 30000-32767"):
        await api.create(SERVICES, service("b", type="NodePort", ports=[{"port": 80, "nodePort": 80}]))


async def test_both_protocols_of_one_port_share_a_node_port(api):
    ports = [{"name": "t", "port": 53, "protocol": "TCP"}, {"name": "u", "port": 53, "protocol": "UDP"}]
    made = await api.create(SERVICES, service("a", type="NodePort", ports=ports))
    assert len({port["nodePort"] for port in made["spec"]["ports"]}) == 1


async def test_an_update_that_leaves_out_what_was_allocated_keeps_it(api):
    made = await api.create(SERVICES, service("a", type="NodePort"))
    body = service("a", type="NodePort")
    body["metadata"] = {"name": "a", "namespace": "default"}
    after = await api.update(SERVICES, body)
    assert after["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    assert after["spec"]["ports"][0]["nodePort"] == made["spec"]["ports"][0]["nodePort"]


async def test_a_service_that_is_no_node_port_any_more_loses_its_ports(api):
    await api.create(SERVICES, service("a", type="NodePort"))
    after = await api.patch(SERVICES, "a", {"spec": {"type": "ClusterIP"}})
    assert "nodePort" not in after["spec"]["ports"][0]
    assert ports_taken(api) == []


async def test_a_service_that_becomes_an_external_name_loses_its_address(api):
    await api.create(SERVICES, service("a"))
    patch = {"spec": {"type": "ExternalName", "externalName": "example.com", "clusterIP": None, "clusterIPs": None}}
    after = await api.patch(SERVICES, "a", patch)
    assert "clusterIP" not in after["spec"]
    assert await api.names(IP_ADDRESSES) == []
    back = await api.patch(SERVICES, "a", {"spec": {"type": "ClusterIP", "externalName": None}})
    assert back["spec"]["clusterIP"]


async def test_an_address_left_by_a_crash_is_taken_over_when_it_is_old(api, monkeypatch):
    allocators = api.pipeline.allocators
    from kube_actors.apiserver.registry.allocation import Owner, Taken

    await allocators.take_ip("10.96.0.9", Owner("default", "ghost"))
    with pytest.raises(Taken):
        await allocators.take_ip("10.96.0.9", Owner("default", "other"))
    monkeypatch.setattr("kube_actors.apiserver.registry.allocation.ORPHAN_SECONDS", -1.0)
    await allocators.take_ip("10.96.0.9", Owner("default", "other"))


@pytest.mark.looptime
async def test_reservations_that_were_lost_come_back_and_those_of_nobody_go(api):
    clock = LoopClock()
    made = await api.create(SERVICES, service("a", type="NodePort"))
    ip, port = made["spec"]["clusterIP"], made["spec"]["ports"][0]["nodePort"]
    allocators, repairer = api.pipeline.allocators, Repairer(api.storage, api.pipeline.allocators, clock)
    await allocators.free_ip(ip)
    await allocators.free_port(port)
    await allocators.take_ip("10.96.9.9", Owner("default", "gone"))
    await allocators.take_port(30999, Owner("default", "gone"))
    await repairer.look()
    assert f"{NODE_PORTS}{port}".encode() in ports_taken(api)
    # What was taken a moment ago may belong to a service that is being written.
    assert await api.names(IP_ADDRESSES) == sorted([ip, "10.96.9.9"])
    await asyncio.sleep(61)
    await repairer.look()
    assert await api.names(IP_ADDRESSES) == [ip]
    assert ports_taken(api) == [f"{NODE_PORTS}{port}".encode()]
    writes = api.storage.writes
    await repairer.look()
    assert api.storage.writes == writes


def test_two_services_with_one_address_are_told_and_left_alone():
    first, second = Owner("default", "a"), Owner("default", "b")
    repairs = plan([("10.96.0.7", first), ("10.96.0.7", second)], {}, 0.0)
    assert repairs.clashes == (("10.96.0.7", first, second),)
    assert repairs.take == (("10.96.0.7", first),)
    assert repairs.free == ()
