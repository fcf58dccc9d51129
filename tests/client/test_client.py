"""The client against a running server, waiting and not, and against servers that are busy, broken or others."""

from __future__ import annotations

import inspect
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import httpx2
import numpy as np
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from PIL import Image
from served_world import CARDS, Served

from diptych import client as diptych_client
from diptych.client import APIError, AsyncClient, Client, Part, calls
from diptych.kinds import BadInput

pytestmark = pytest.mark.xdist_group("client")

CALLS = [
    name
    for name, call in vars(calls).items()
    if inspect.isfunction(call) and call.__annotations__.get("return", "").startswith("Call[") and name[0] != "_"
]
CALLS.remove("following")


class Waiting:
    """An AsyncClient as a test may use it: every call is waited for, and what it iterates is a list."""

    def __init__(self, client: AsyncClient, portal: BlockingPortal) -> None:
        self._client, self._portal = client, portal

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def asked(*arguments: Any, **named: Any) -> Any:
            given = getattr(self._client, name)(*arguments, **named)
            return [one async for one in given] if hasattr(given, "__aiter__") else await given

        return lambda *arguments, **named: self._portal.call(lambda: asked(*arguments, **named))


@pytest.fixture(scope="module", params=["now", "later"])
def client(request: pytest.FixtureRequest, server: Served) -> Iterator[Any]:
    if request.param == "now":
        with Client(server.url, "admin") as one:
            yield one
        return
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(AsyncClient(server.url, "admin")) as one:
        yield Waiting(one, portal)


@pytest.fixture
def some(client: Any) -> list[str]:
    """Ids of the postcards by their numbers."""
    items = client.list_items("cards", limit=CARDS).items
    return [item.id for item in sorted(items, key=lambda item: item.metadata["number"])]


def test_every_call_is_a_method_of_both_clients():
    assert len(CALLS) > 20
    for of in (Client, AsyncClient):
        assert {*CALLS, "each_hit", "each_similar", "each_item"} <= set(vars(of))
        assert all(vars(of)[name].__doc__ for name in CALLS)
    with Client() as one:
        assert inspect.signature(one.search) == inspect.signature(calls.search)


def test_what_the_server_is_and_has(client, server):
    assert client.healthz().status == client.readyz().status == "ok"
    assert [(one.name, one.items) for one in client.list_collections()] == [("cards", CARDS), ("album", 4)]
    cards = client.get_collection("cards")
    assert (cards.captions, cards.tags, cards.encoder, cards.indexing) == (5 * CARDS, 2, "mini", False)
    assert "mini" in {model.name for model in client.list_models() if model.here}


def test_a_search_is_answered_with_hits_as_the_collection_finds_them(client, server):
    answer = client.search("cards", "a dog on the beach", k=3)
    with server.library.get("", "cards").reader() as reader:
        found = reader.search("a dog on the beach", 3)
    assert [hit.name for hit in answer.results] == [hit.key.rpartition("/")[2] for hit in found.results]
    assert [hit.score for hit in answer.results] == pytest.approx([hit.score for hit in found.results], abs=1e-6)
    assert (answer.verdict, answer.total, answer.offset, answer.written) == (found.verdict, CARDS, 0, found.query)
    assert answer.results[0].why and len(answer.results[0].captions) == 5 and answer.results[0].region is None


def test_parts_marks_filters_and_regions_are_passed_on(client, server, some):
    by_item = client.search("cards", parts=[Part(item=some[7])], k=1)
    assert by_item.results[0].id == some[7]
    uploaded = client.upload_to_ask("cards", server.pictures[8])
    assert (uploaded.width, uploaded.height) == Image.open(server.pictures[8]).size
    by_picture = client.search("cards", parts=[Part(picture=uploaded.picture), Part(text="a dog", weight=-0.1)], k=1)
    assert by_picture.results[0].id == some[8]
    assert client.search("cards", "a dog", where="number < 5").total == 5
    plain = [hit.id for hit in client.search("cards", "a dog", k=CARDS).results]
    answer = client.search("cards", "a dog", yes=plain[4:6], no=plain[:1], k=CARDS)
    assert answer.ranked_by.startswith("marks") and answer.total == CARDS - 3
    assert {hit.id for hit in answer.results} == {*plain} - {plain[0], *plain[4:6]}
    seen = client.search("cards", "a dog", k=1, regions=True).results[0]
    assert seen.region is not None and 0 <= seen.region.left < seen.region.right <= 1
    assert client.search("cards", "dog AND (", language="plain", k=1).results
    assert client.search("cards", "a dog", where="colour = red").hints


def test_feedback_is_kept_told_handed_out_and_forgotten(client, server, some):
    client.give_feedback("cards", "a dog", some[3], "yes", rank=4, shown=some[:3])
    client.give_feedback("cards", "a dog", some[4], "no")
    client.give_feedback("cards", "a dog", some[5], "yes")
    client.give_feedback("cards", "a dog", some[5], "unmarked")
    client.give_feedback("cards", "a dog", some[6], "click", rank=7)
    client.give_feedback("cards", "a dog", some[6], "dwell", seconds=3.5)
    marks = client.standing_marks("cards", "a dog")
    assert (marks.yes, marks.no) == ((some[3],), (some[4],))
    moved = client.search("cards", "a dog", yes=marks.yes, no=marks.no)
    assert moved.ranked_by.startswith("marks") and client.search("cards", "a dog").ranked_by == "query"
    told = {json.loads(line)["image"] for line in client.export_feedback("cards", "owner").splitlines()}
    assert told == {str(server.pictures[3]), str(server.pictures[4])}
    assert client.get_collection("cards").feedback is True
    learned = list(client.follow_job("cards", client.start_job("cards", "learn").id))[-1]
    assert (learned.state, learned.report["on"], learned.report["people"]) == ("done", False, 1)
    assert learned.report["said"].startswith("off: ") and "owner" not in json.dumps(learned.report)
    with pytest.raises(APIError, match="seconds: a dwell has them"):
        client.give_feedback("cards", "a dog", some[6], "click", seconds=3)
    assert client.forget_feedback("cards") == 6 and client.forget_feedback("cards", "owner") == 0
    assert client.standing_marks("cards", "a dog").yes == ()


@pytest.mark.parametrize("size", [7, CARDS, CARDS + 1])
def test_pages_are_turned_until_the_last(client, size):
    whole = [hit.id for hit in client.search("cards", "a boat", k=CARDS).results]
    assert [hit.id for hit in client.each_hit("cards", "a boat", k=size)] == whole
    assert len({item.id for item in client.each_item("cards", limit=size)}) == CARDS
    assert len(list(client.each_item("cards", "tag:even", limit=size))) == CARDS // 2
    assert len(list(client.each_similar("cards", whole[0], k=size))) == CARDS - 1


def test_a_picture_as_a_thumbnail_as_its_file_and_in_words(client, server, some):
    with Image.open(io.BytesIO(client.thumbnail("cards", some[3], "medium"))) as small:
        assert small.format == "JPEG" and small.size == Image.open(server.pictures[3]).size
    assert client.original("cards", some[3]) == server.pictures[3].read_bytes()
    assert some[3] not in [hit.id for hit in client.similar("cards", some[3], k=5).results]
    near = client.captions("cards", some[3], k=4)
    assert len(near) == 4 and near[0].score >= near[-1].score and isinstance(near[0].text, str)


def test_facets_count_what_passes(client):
    found = client.facets("cards", "number < 9", ["tag", "number"])
    assert found.total == 9
    assert [(one.value, one.count) for one in found.fields["tag"]] == [("even", 5), ("odd", 4)]
    assert set(client.facets("cards").fields) == {"year", "camera", "folder", "tag"}


def test_an_item_is_added_spoken_of_and_deleted(client, server, tmp_path):
    picture, words = tmp_path / "a new one.png", tmp_path / "no picture.png"
    with Image.open(server.pictures[9]) as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(picture)
    words.write_text("words")
    stored = client.upload("album", [picture, words])
    assert [refused.name for refused in stored.refused] == ["no picture.png"] and "not a picture" in stored.refused[
        0
    ].why
    (item,) = stored.items
    assert item.name.startswith("a new one")
    said = client.annotate("album", item.id, captions=["my boat"], tags=["mine"], metadata={"price": 3})
    assert (said.captions, said.tags, said.metadata) == (("my boat",), ("mine",), {"price": 3})
    assert client.annotate("album", item.id, tags=["ours"], merge=True).tags == ("mine", "ours")
    assert client.annotate("album", item.id, tags=[]).captions == ("my boat",)
    assert client.get_item("album", item.id).metadata == {"price": 3}
    assert client.delete("album", item.id) is None
    with pytest.raises(APIError, match="no") as caught:
        client.get_item("album", item.id)
    assert caught.value.status in (400, 404)


def test_a_job_is_followed_to_its_end_stopped_and_taken_up(client):
    started = client.start_job("album", contents=True)
    seen = list(client.follow_job("album", started.id))
    assert seen[-1].state == "done" and seen[-1].ended and seen[-1].report["unchanged"] == 4
    assert client.get_job("album", started.id) == seen[-1]
    assert client.stop_job("album", started.id).state == "done"  # it had ended
    again = client.resume_job("album", started.id)
    assert again.id != started.id and list(client.follow_job("album", again.id))[-1].state == "done"
    assert {started.id, again.id} <= {job.id for job in client.list_jobs("album")}
    with pytest.raises(APIError, match="there is no job"):
        list(client.follow_job("album", "nothing"))


def test_texts_become_rows_and_are_ranked(client, server):
    rows = client.embeddings("cards", ["a dog", "a boat"])
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, server.library.get("", "cards").encode_texts(["a dog", "a boat"]))
    ranked = client.rerank("cards", "a dog", ["a boat", "a dog", "a puppy"], top_n=2)
    assert [one.index for one in ranked] == [1, 2] and ranked[0].relevance_score > ranked[1].relevance_score


def test_a_refusal_has_a_status_and_the_line_of_the_server(client, server):
    with pytest.raises(APIError) as caught:
        client.get_collection("nowhere")
    assert (caught.value.status, caught.value.detail) == (
        404,
        "there is no collection 'nowhere'; GET /v1/collections lists them",
    )
    with pytest.raises(APIError, match=r"show an API key: .* \(HTTP 401\)"), Client(server.url) as nobody:
        nobody.list_collections()


# ----------------------------------------------------------------------------------------------------- without a server


def test_names_cannot_lead_to_another_address():
    assert calls.get_item("a/../b", "?c#d").path == "/v1/collections/a%2F..%2Fb/items/%3Fc%23d"
    for name in ("", ".", ".."):
        with pytest.raises(BadInput, match="names neither"):
            calls.delete("cards", name)


def test_what_could_not_be_asked_is_not_sent(tmp_path):
    for wrong in (
        lambda: Part(),
        lambda: Part(text="a", item="b"),
        lambda: calls.search("cards", yes="id"),
        lambda: calls.upload("cards", [tmp_path / "nothing.jpg"]),
        lambda: Client("localhost:8642"),
        lambda: Client(key="dpt_1\nX-Evil: 1"),
    ):
        with pytest.raises(BadInput):
            wrong()


Response = dict[str, Any]
"""What a response of httpx2 is made with; one is answered with once."""


def answering(*responses: Response) -> tuple[httpx2.MockTransport, list[httpx2.Request]]:
    """A server that gives these answers in turn, and what it was asked."""
    asked: list[httpx2.Request] = []
    ahead = iter(responses)

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(**next(ahead))

    return httpx2.MockTransport(answer), asked


HEALTHY = {"status": "ok", "version": "1", "something": "new"}


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were slept; nobody waits for them."""
    slept: list[float] = []

    async def later(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(diptych_client.time, "sleep", slept.append)
    monkeypatch.setattr(anyio, "sleep", later)
    return slept


def asked_both_ways(*responses: Response, retries: int = 3) -> tuple[list[Any], list[httpx2.Request]]:
    """What healthz says with each client, and what was sent for it."""
    told: list[Any] = []
    transport, asked = answering(*responses, *responses)
    with Client("http://there/below", transport=transport, retries=retries) as client:
        try:
            told.append(client.healthz())
        except APIError as error:
            told.append(error)

    async def later() -> None:
        async with AsyncClient("http://there/below", transport=transport, retries=retries) as client:
            try:
                told.append(await client.healthz())
            except APIError as error:
                told.append(error)

    anyio.run(later)
    assert [str(one) for one in told[:1]] == [str(one) for one in told[1:]]
    return told, asked


@pytest.mark.parametrize("status", [429, 503])
def test_a_call_that_may_be_sent_again_is_sent_again_after_the_time_that_was_asked_for(pauses, status):
    busy = {"status_code": status, "headers": {"Retry-After": "7"}}
    told, asked = asked_both_ways(busy, busy, {"status_code": 200, "json": HEALTHY})
    assert told[0] == diptych_client.Health("ok", "1") and len(asked) == 6 and pauses == [7] * 4


def test_it_is_not_sent_for_ever(pauses):
    busy = {"status_code": 429, "headers": {"Retry-After": "1"}, "json": {"detail": "too many requests"}}
    told, asked = asked_both_ways(busy, busy, busy, retries=2)
    assert (told[0].status, told[0].detail, len(asked)) == (429, "too many requests", 6)


@pytest.mark.parametrize(
    "response",
    [
        {"status_code": 503},  # it does not say when
        {"status_code": 503, "headers": {"Retry-After": "3600"}},  # nobody waits for so long
        {"status_code": 500, "headers": {"Retry-After": "1"}},
        {"status_code": 404, "headers": {"Retry-After": "1"}},
    ],
)
def test_all_else_is_sent_once(pauses, response):
    told, asked = asked_both_ways(response)
    assert told[0].status == response["status_code"] and len(asked) == 2 and not pauses


def test_what_a_proxy_says_is_told_in_one_short_line():
    told, _ = asked_both_ways({"status_code": 502, "text": "<html>\n<h1>Bad\nGateway</h1>" + "x" * 9000})
    assert told[0].detail.startswith("<html> <h1>Bad Gateway") and len(told[0].detail) == 500


@pytest.mark.parametrize("body", ["<html>", "[]", "7", '{"status": "ok"}', '"text"'])
def test_another_server_is_told_of(body):
    told, _ = asked_both_ways({"status_code": 200, "text": body})
    assert told[0].status == 200 and "what answers there is not" in told[0].detail


def test_no_answer_is_an_error_without_a_status():
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("connection refused", request=request)

    with Client(transport=httpx2.MockTransport(refuse)) as client, pytest.raises(APIError) as caught:
        client.healthz()
    assert caught.value.status == 0 and "http://127.0.0.1:8642" in str(caught.value)


def test_the_key_is_sent_and_the_path_of_a_proxy_stays_in_front():
    transport, asked = answering({"status_code": 200, "json": {"collections": []}})
    with Client("http://there/below/", "dpt_1", transport=transport) as client:
        assert client.list_collections() == ()
    assert str(asked[0].url) == "http://there/below/v1/collections"
    assert asked[0].headers["authorization"] == "Bearer dpt_1"


def test_an_upload_that_is_sent_again_is_sent_whole(pauses, tmp_path):
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"the whole of it")
    busy = httpx2.Response(503, headers={"Retry-After": "0"})
    bodies = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        bodies.append(request.read())
        return busy if len(bodies) == 1 else httpx2.Response(201, json={"items": [], "refused": []})

    with Client(transport=httpx2.MockTransport(answer)) as client:
        client.upload("cards", [picture])
    assert len(bodies) == 2 and all(b"the whole of it" in body for body in bodies)


# ------------------------------------------------------------------------------------------ the published description


def test_the_client_knows_every_route_and_every_field(server):
    """`/metrics` is for Prometheus; of OpenAI's and Cohere's shapes the client tells the rows and the ranks alone."""
    published = httpx2.get(f"{server.url}/v1/openapi.json", headers={"Authorization": "Bearer read"}).json()
    routes = {operation["operationId"] for methods in published["paths"].values() for operation in methods.values()}
    assert routes - {"metrics"} == set(CALLS)
    for name, schema in published["components"]["schemas"].items():
        if (kind := getattr(diptych_client, name, None)) is not None and name != "Part":
            assert set(schema["properties"]) == {*diptych_client.answers._kinds(kind)}, name


def test_json_is_what_is_sent(server):
    body = json.loads(json.dumps(calls.search("cards", "a", parts=[Part(text="b")]).json))
    assert body["parts"] == [{"text": "b", "item": None, "picture": None, "weight": 1.0}]
