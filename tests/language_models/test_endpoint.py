"""An endpoint keeps to the protocol, and whatever it is answered, a prompt is answered in form or not at all."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from talking_server import Server, said

from diptych.kinds import BadInput
from diptych.language_models.endpoint import KEY, MOST, Endpoint
from diptych.language_models.forms import Choice, Unanswered, Words
from diptych.language_models.model import SIDE, Prompt, seen

CAPTION = Words("caption")


def test_a_prompt_goes_out_as_chat_completions_have_it(server: Server) -> None:
    picture = seen(Image.new("RGB", (8, 8), "red"))
    model = Endpoint(server.url, "eyes", key="secret")
    assert model.answer(Prompt("What is it?", (picture,)), CAPTION) == "a"
    (body,), (headers,) = server.asked, server.headers
    assert headers["authorization"] == "Bearer secret" and body["model"] == "eyes" and body["temperature"] == 0
    text, shown = body["messages"][1]["content"]
    assert text == {"type": "text", "text": "What is it?"}
    head, data = shown["image_url"]["url"].split(",")
    assert head == "data:image/jpeg;base64" and base64.b64decode(data) == picture
    assert body["response_format"]["json_schema"]["schema"] == CAPTION.schema()
    assert model.spent.told() == {"calls": 1, "unanswered": 0, "kept": 0, "tokens_in": 7, "tokens_out": 3}


def test_a_server_that_knows_no_schemas_is_sent_none(server: Server) -> None:
    Endpoint(server.url, "eyes", schemas=False).answer(Prompt("?"), CAPTION)
    assert "response_format" not in server.asked[0] and "'caption'" in server.asked[0]["messages"][0]["content"]


def test_tokens_cost_what_they_are_said_to(server: Server) -> None:
    model = Endpoint(server.url, "eyes", prices=(2.0, 10.0))
    model.answer(Prompt("?"), CAPTION)
    assert model.money == pytest.approx((7 * 2 + 3 * 10) / 1e6)


def test_nothing_of_a_file_goes_out_but_what_the_picture_shows(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "at home", 6  # a description, and turned to the right
    file = tmp_path / "ann.jpg"
    Image.new("RGB", (1200, 600), "blue").save(file, exif=exif)
    sent = Image.open(io.BytesIO(seen(file)))
    assert not sent.getexif() and sent.size == (SIDE // 2, SIDE)
    assert b"at home" not in seen(file) and b"ann" not in seen(file)


def test_what_may_be_better_later_is_tried_again(server: Server) -> None:
    replies = iter([(503, {"retry-after": "0"}, b""), (429, {"retry-after": "0"}, b""), said({"caption": "a"})])
    server.reply = lambda body: next(replies)
    model = Endpoint(server.url, "eyes", tries=3)
    assert model.answer(Prompt("?"), CAPTION) == "a" and len(server.asked) == 3
    assert model.spent.calls == 1


def test_it_is_tried_so_often_and_no_more(server: Server) -> None:
    server.reply = lambda body: (503, {"retry-after": "0"}, b"")
    with pytest.raises(Unanswered, match="503"):
        Endpoint(server.url, "eyes", tries=2).answer(Prompt("?"), CAPTION)
    assert len(server.asked) == 2


def test_a_wait_beyond_the_time_there_is_is_not_waited(server: Server) -> None:
    server.reply = lambda body: (503, {"retry-after": "3600"}, b"")
    with pytest.raises(Unanswered, match="503"):
        Endpoint(server.url, "eyes", seconds=60).answer(Prompt("?"), CAPTION)
    assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "says"), [(401, KEY), (403, KEY), (404, "no model 'eyes'"), (400, "400")])
def test_what_no_second_try_mends_is_said_at_once(server: Server, status: int, says: str) -> None:
    server.reply = lambda body: (status, {}, b"{}")
    with pytest.raises(Unanswered) as told:
        Endpoint(server.url, "eyes").answer(Prompt("?"), CAPTION)
    assert says in str(told.value) and len(server.asked) == 1


def test_nothing_follows_to_another_place(server: Server) -> None:
    other = Server()
    server.reply = lambda body: (307, {"location": f"{other.url}/chat/completions"}, b"")
    with pytest.raises(Unanswered, match="307"):
        Endpoint(server.url, "eyes").answer(Prompt("?"), CAPTION)
    other.close()
    assert not other.asked


def test_no_proxy_of_the_environment_is_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert Endpoint(server.url, "eyes").answer(Prompt("?"), CAPTION) == "a"


@pytest.mark.parametrize(
    "reply",
    [
        (200, {}, b""),
        (200, {}, b"{"),
        (200, {}, b"[]"),
        (200, {}, b"{}"),
        (200, {}, b'{"choices": []}'),
        (200, {}, b'{"choices": [{}]}'),
        (200, {}, b'{"choices": [{"message": null}]}'),
        (200, {}, b'{"choices": [{"message": {"content": ["a"]}}], "usage": []}'),
        (200, {}, b"\xff\xfe"),
        (200, {}, b"[" * 100_000),
        (200, {}, b" " * (MOST + 1)),
        said(""),
        said("I cannot help with that."),
        said(None, message={"content": None, "refusal": "no"}),
        said({"caption": "a"}, choice={"finish_reason": "content_filter"}),
        said({"caption": ["a"]}),
        said({"text": "a"}),
    ],
)
def test_a_reply_that_is_none_leaves_the_prompt_unanswered(server: Server, reply: Any) -> None:
    server.reply = lambda body: reply
    model = Endpoint(server.url, "eyes", tries=1)
    with pytest.raises(Unanswered) as told:
        model.answer(Prompt("?"), CAPTION)
    assert "\n" not in str(told.value) and model.spent.unanswered == 1


def test_one_that_never_ends_is_left(server: Server) -> None:
    gone = threading.Event()

    def hang(body: Any) -> Any:
        gone.wait(60)
        return said({"caption": "a"})

    server.reply = hang
    with pytest.raises(Unanswered, match="longer"):
        Endpoint(server.url, "eyes", seconds=60).answer(Prompt("?"), CAPTION, until=time.monotonic() + 0.2)
    gone.set()


def test_without_time_nothing_is_asked(server: Server) -> None:
    model = Endpoint(server.url, "eyes")
    with pytest.raises(Unanswered, match="no time"):
        model.answer(Prompt("?"), CAPTION, until=time.monotonic() - 1)
    assert not server.asked and model.spent.asked == 0


def test_where_nobody_listens_it_is_said() -> None:
    server = Server()
    server.close()
    with pytest.raises(Unanswered, match="is not there"):
        Endpoint(server.url, "eyes", tries=1).answer(Prompt("?"), CAPTION)


def test_many_are_asked_at_once_and_answered_in_their_order(server: Server) -> None:
    both = threading.Barrier(2, timeout=60)

    def reply(body: Any) -> Any:
        both.wait()  # which opens only when two are on their way
        number = int(body["messages"][1]["content"][0]["text"])
        return said({"choice": number}) if number < 4 else said("no")

    server.reply = reply
    found = Endpoint(server.url, "eyes", at_once=2).answers([Prompt(str(n)) for n in (1, 2, 3, 4)], Choice("choice", 4))
    assert found[:3] == [1, 2, 3] and isinstance(found[3], Unanswered)


@pytest.mark.parametrize("url", ["", "localhost:11434", "file:///etc/passwd", "http://", "http://a/v1?x=1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="language model"):
        Endpoint(url, "eyes")


def test_a_model_has_to_be_named() -> None:
    with pytest.raises(BadInput, match="#MODEL"):
        Endpoint("http://localhost/v1", "")


def test_it_says_where_things_go() -> None:
    assert "example.org" in Endpoint("https://example.org/v1", "eyes").sends


def test_words_of_a_prompt_are_sent_as_they_are(server: Server) -> None:
    text = 'a "boat" {x} \u2028 🛶'
    Endpoint(server.url, "eyes").answer(Prompt(text), CAPTION)
    assert server.asked[0]["messages"][1]["content"][0]["text"] == text
    assert json.loads(json.dumps(server.asked[0]))
