"""Lists: selectors, pages, versions."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube_actors.api import encoding, errors
from kube_actors.api.resources import CONFIGMAPS, DEPLOYMENTS, NAMESPACES, NODES, PODS, SECRETS, builtin
from kube_actors.apiserver.listing import Position, decode_token, encode_token
from kube_actors.apiserver.rest import answers
from kube_actors.apiserver.rest.negotiation import Form


async def fill(api, count: int, namespace: str = "default") -> None:
    for number in range(count):
        await api.create(CONFIGMAPS, {"metadata": {"name": f"c{number}", "labels": {"n": str(number % 2)}}}, namespace)


async def test_a_list_holds_all_that_was_acknowledged_before_it(api):
    api.storage.hold_events()
    await fill(api, 3)
    listing = asyncio.gather(api.list(CONFIGMAPS))
    await asyncio.sleep(0)
    assert not listing.done()
    api.storage.let_events_go()
    [page] = await listing
    assert [entry.key for entry in page.entries] == ["default/c0", "default/c1", "default/c2"]
    assert page.revision == api.storage.head


async def test_any_version_is_answered_without_waiting(api):
    api.storage.hold_events()
    await fill(api, 1)
    assert await api.names(CONFIGMAPS, resource_version="0") == []
    api.storage.let_events_go()


async def test_namespaces_do_not_mix(api):
    for name in ("default-2", "a"):
        await api.create(NAMESPACES, {"metadata": {"name": name}})
        await fill(api, 1, name)
    await fill(api, 2)
    assert await api.names(CONFIGMAPS, "default") == ["c0", "c1"]
    assert await api.names(CONFIGMAPS, "default-2") == ["c0"]
    assert len(await api.names(CONFIGMAPS)) == 4


async def test_pages_are_of_one_version_though_objects_come_and_go(api):
    await fill(api, 5)
    first = await api.list(CONFIGMAPS, "default", limit=2)
    assert first.remaining == 3
    await api.delete(CONFIGMAPS, "c3")
    await api.create(CONFIGMAPS, {"metadata": {"name": "c9"}})
    second = await api.list(CONFIGMAPS, "default", limit=2, continue_token=first.continue_token)
    assert [entry.key for entry in second.entries] == ["default/c2", "default/c3"]
    assert (second.remaining, second.revision) == (1, first.revision)
    third = await api.list(CONFIGMAPS, "default", limit=2, continue_token=second.continue_token)
    assert [entry.key for entry in third.entries] == ["default/c4"]
    assert (third.remaining, third.continue_token) == (None, "")


async def test_selected_pages_are_as_large_as_asked_and_say_nothing_of_the_rest(api):
    await fill(api, 7)
    first = await api.list(CONFIGMAPS, limit=2, labels="n=0")
    assert [entry.key[-2:] for entry in first.entries] == ["c0", "c2"]
    assert first.remaining is None
    await api.delete(CONFIGMAPS, "c1")
    second = await api.list(CONFIGMAPS, limit=2, labels="n=0", continue_token=first.continue_token)
    assert [entry.key[-2:] for entry in second.entries] == ["c4", "c6"]
    assert second.continue_token == ""


async def test_an_expired_page_gives_a_token_to_go_on_with(api):
    await fill(api, 4)
    first = await api.list(CONFIGMAPS, limit=2)
    await api.delete(CONFIGMAPS, "c3")
    await api.pipeline.cache.fresh()
    await api.storage.compact(api.storage.head)
    with pytest.raises(errors.Expired) as refusal:
        await api.list(CONFIGMAPS, limit=2, continue_token=first.continue_token)
    token = refusal.value.status()["metadata"]["continue"]
    assert await api.names(CONFIGMAPS, limit=2, continue_token=token) == ["c2"]


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("notatoken", "illegal base64 data at input byte 8"),
        ("eyJ2IjoibWV0YS5rOHMuaW8vdjkiLCJydiI6NSwic3RhcnQiOiJ4In0", "this encoded version meta.k8s.io/v9"),
    ],
)
async def test_a_token_that_is_none_is_refused(api, token, text):
    with pytest.raises(errors.BadRequest, match=text):
        await api.list(CONFIGMAPS, continue_token=token)


@given(st.integers(1, 2**63 - 1), st.text(min_size=1))
def test_tokens_come_back_as_they_were(revision, start):
    assert decode_token(encode_token(Position(revision, start))) == Position(revision, start)


async def test_an_exact_version_shows_the_past(api):
    await fill(api, 2)
    past = api.storage.head
    await api.delete(CONFIGMAPS, "c0")
    assert await api.names(CONFIGMAPS, resource_version=str(past), resource_version_match="Exact") == ["c0", "c1"]
    assert await api.names(CONFIGMAPS, resource_version=str(past), resource_version_match="NotOlderThan") == ["c1"]


@pytest.mark.looptime
async def test_a_version_of_the_future_times_out(api):
    with pytest.raises(errors.Timeout, match=r"^Timeout: Too large resource version: 99999, current: \d+$"):
        await api.list(CONFIGMAPS, resource_version="99999")


async def test_options_that_do_not_go_together_are_refused(api):
    with pytest.raises(errors.Invalid, match=r"resourceVersionMatch is forbidden unless resourceVersion is provided"):
        await api.list(CONFIGMAPS, resource_version_match="Exact")
    with pytest.raises(errors.Invalid, match=r'"exact" is forbidden for resourceVersion "0"'):
        await api.list(CONFIGMAPS, resource_version="0", resource_version_match="Exact")
    with pytest.raises(errors.BadRequest, match=r'strconv.ParseUint: parsing "abc": invalid syntax'):
        await api.list(CONFIGMAPS, resource_version="abc")


async def test_fields_of_pods_select(api, new_pod):
    await api.create(PODS, new_pod("a", nodeName="n1", restartPolicy="Never"))
    await api.create(PODS, new_pod("b"))
    assert await api.names(PODS, fields="spec.nodeName=n1") == ["a"]
    assert await api.names(PODS, fields="spec.nodeName!=n1,status.phase=Pending") == ["b"]
    assert await api.names(PODS, fields="metadata.name=b,spec.hostNetwork=false") == ["b"]
    assert await api.names(PODS, "default", fields="metadata.name=x") == []
    assert await api.names(PODS, fields="metadata.namespace=default,spec.restartPolicy=Never") == ["a"]


@pytest.mark.parametrize(
    ("resource", "field", "text"),
    [
        (PODS, "spec.hostname", "field label not supported: spec.hostname"),
        (NODES, "status.phase", "field label not supported: status.phase"),
        (SECRETS, "data", "field label not supported: data"),
        (
            DEPLOYMENTS,
            "spec.replicas",
            '"spec.replicas" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        (builtin("batch/v1", "jobs"), "status.failed", 'field label "status.failed" not supported for Job'),
    ],
)
async def test_a_field_that_is_not_selectable_is_named(api, resource, field, text):
    with pytest.raises(errors.BadRequest) as refusal:
        await api.list(resource, fields=f"{field}=x")
    assert refusal.value.message == text


async def test_a_list_body_is_the_objects_without_their_types(api):
    await fill(api, 2)
    page = await api.list(CONFIGMAPS)
    body = encoding.loads(answers.list_body(CONFIGMAPS, page, Form(), 0.0, ""))
    assert (body["kind"], body["apiVersion"]) == ("ConfigMapList", "v1")
    assert body["metadata"] == {"resourceVersion": str(page.revision)}
    assert [set(item) for item in body["items"]] == [{"metadata"}, {"metadata"}]
    empty = await api.list(SECRETS)
    assert encoding.loads(answers.list_body(SECRETS, empty, Form(), 0.0, ""))["items"] == []


async def test_a_list_of_metadata_and_a_table_have_their_shapes(api):
    await fill(api, 1)
    page = await api.list(CONFIGMAPS)
    form = Form(shape="PartialObjectMetadataList", shape_version="v1")
    partial = encoding.loads(answers.list_body(CONFIGMAPS, page, form, 0.0, ""))
    assert (partial["kind"], partial["items"][0]["kind"]) == ("PartialObjectMetadataList", "PartialObjectMetadata")
    table = encoding.loads(answers.list_body(CONFIGMAPS, page, Form(shape="Table", shape_version="v1"), 0.0, ""))
    assert table["rows"][0]["object"]["metadata"]["name"] == "c0"
    assert len(table["rows"][0]["cells"]) == len(table["columnDefinitions"])
