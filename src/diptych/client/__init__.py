"""A client of `diptych serve`: `calls` says what can be asked, `answers` what is answered, and here it is sent.

with Client("http://127.0.0.1:8642", key="dpt_…") as client:
    for hit in client.search("pictures", "a dog on the beach", k=5).results:
        print(hit.name, hit.verdict)
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

from diptych.client import calls
from diptych.client.answers import Alert as Alert
from diptych.client.answers import Answer as Answer
from diptych.client.answers import Bin as Bin
from diptych.client.answers import Caption as Caption
from diptych.client.answers import Collection as Collection
from diptych.client.answers import Count as Count
from diptych.client.answers import Facets as Facets
from diptych.client.answers import Failures as Failures
from diptych.client.answers import Health as Health
from diptych.client.answers import Hit as Hit
from diptych.client.answers import Item as Item
from diptych.client.answers import Items as Items
from diptych.client.answers import Job as Job
from diptych.client.answers import Link as Link
from diptych.client.answers import Marks as Marks
from diptych.client.answers import Model as Model
from diptych.client.answers import Page as Page
from diptych.client.answers import Ranked as Ranked
from diptych.client.answers import Refused as Refused
from diptych.client.answers import Region as Region
from diptych.client.answers import Stored as Stored
from diptych.client.answers import Uploaded as Uploaded
from diptych.client.calls import Call as Call
from diptych.client.calls import Part as Part
from diptych.kinds import BadInput, shown

if TYPE_CHECKING:
    import httpx2

ADDRESS = "http://127.0.0.1:8642"

LONGEST_PAUSE = 60.0
"""Seconds. A server that asks for a longer one is not waited for, and the call fails."""

QUIET = 60.0
"""Seconds without a sign of life after which a job is not followed any more; the server gives one every 15."""

P = ParamSpec("P")
T = TypeVar("T")
Entry = TypeVar("Entry")
AnyClient = TypeVar("AnyClient")
Given = TypeVar("Given")


class APIError(Exception):
    """The server said no, or nothing.

    status   of HTTP; 0 where no answer came
    detail   what is wrong and the way out, in one line
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(status, detail)
        self.status, self.detail = status, detail

    def __str__(self) -> str:
        return f"{self.detail} (HTTP {self.status})" if self.status else self.detail


class _Method(Generic[AnyClient, P, Given]):
    """A call as a method of a client, with the call's own arguments. send: what the client does with it."""

    def __init__(self, send: Callable[[AnyClient, Call[T]], Given], call: Callable[P, Call[T]]) -> None:
        self._send, self._call, self.__doc__ = send, call, call.__doc__

    def __get__(self, client: AnyClient, _: type[AnyClient]) -> Callable[P, Given]:
        @wraps(self._call)
        def method(*arguments: P.args, **named: P.kwargs) -> Given:
            return self._send(client, self._call(*arguments, **named))

        return method


class Client:
    """Asks a server, and waits for the answer. Use it in a `with`, from any thread.

    url         the address of the server, with the path below which a proxy has it
    key         an API key
    timeout     seconds to wait for an answer
    retries     how often a call is sent again that was answered "later" (429, 503) with a time that is short enough
    transport   httpx2's, for proxies and certificates of one's own

    Every call raises APIError where it is not answered, and BadInput for what could not be asked.
    """

    def __init__(
        self,
        url: str = ADDRESS,
        key: str = "",
        timeout: float = 30.0,
        retries: int = 3,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._retries = retries
        self._http = _httpx2().Client(**_settings(url, key, timeout), transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def ask(self, call: Call[T]) -> T:
        """Send a call of `calls`; what it says."""
        sent = 0
        while True:
            with _failing(self._http), _sending(call) as request:
                response = self._http.request(**request)
            if (pause := _pause(response, sent, self._retries)) is None:
                return _read(call, response.status_code, response.content)
            sent += 1
            time.sleep(pause)

    def _each(self, call: Call[Page[Entry]]) -> Iterator[Entry]:
        ahead: Call[Page[Entry]] | None = call
        while ahead is not None:
            page = self.ask(ahead)
            yield from page.entries
            ahead = calls.following(ahead, page)

    def _follow(self, call: Call[T]) -> Iterator[T]:
        with _failing(self._http), self._http.stream(call.method, call.path, timeout=QUIET) as response:
            if response.is_error:
                _read(call, response.status_code, response.read())
            for line in response.iter_lines():
                if line.startswith("data: "):
                    yield _read(call, response.status_code, line.removeprefix("data: ").encode())

    healthz = _Method(ask, calls.healthz)
    readyz = _Method(ask, calls.readyz)
    list_collections = _Method(ask, calls.list_collections)
    get_collection = _Method(ask, calls.get_collection)
    list_failures = _Method(ask, calls.list_failures)
    make_collection = _Method(ask, calls.make_collection)
    delete_collection = _Method(ask, calls.delete_collection)
    list_alerts = _Method(ask, calls.list_alerts)
    list_models = _Method(ask, calls.list_models)
    search = _Method(ask, calls.search)
    each_hit = _Method(_each, calls.search)
    upload_to_ask = _Method(ask, calls.upload_to_ask)
    fetch_to_ask = _Method(ask, calls.fetch_to_ask)
    give_feedback = _Method(ask, calls.give_feedback)
    standing_marks = _Method(ask, calls.standing_marks)
    forget_feedback = _Method(ask, calls.forget_feedback)
    export_feedback = _Method(ask, calls.export_feedback)
    similar = _Method(ask, calls.similar)
    each_similar = _Method(_each, calls.similar)
    captions = _Method(ask, calls.captions)
    facets = _Method(ask, calls.facets)
    histogram = _Method(ask, calls.histogram)
    list_items = _Method(ask, calls.list_items)
    each_item = _Method(_each, calls.list_items)
    get_item = _Method(ask, calls.get_item)
    upload = _Method(ask, calls.upload)
    annotate = _Method(ask, calls.annotate)
    delete = _Method(ask, calls.delete)
    thumbnail = _Method(ask, calls.thumbnail)
    original = _Method(ask, calls.original)
    export = _Method(ask, calls.export)
    list_shares = _Method(ask, calls.list_shares)
    share = _Method(ask, calls.share)
    take_back = _Method(ask, calls.take_back)
    list_jobs = _Method(ask, calls.list_jobs)
    start_job = _Method(ask, calls.start_job)
    get_job = _Method(ask, calls.get_job)
    follow_job = _Method(_follow, calls.follow_job)
    stop_job = _Method(ask, calls.stop_job)
    resume_job = _Method(ask, calls.resume_job)
    embeddings = _Method(ask, calls.embeddings)
    rerank = _Method(ask, calls.rerank)


class AsyncClient:
    """`Client` for `async with` and `await`, and `async for` over what it iterates; with the same arguments."""

    def __init__(
        self,
        url: str = ADDRESS,
        key: str = "",
        timeout: float = 30.0,
        retries: int = 3,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._retries = retries
        self._http = _httpx2().AsyncClient(**_settings(url, key, timeout), transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def ask(self, call: Call[T]) -> T:
        """Send a call of `calls`; what it says."""
        import anyio

        sent = 0
        while True:
            with _failing(self._http), _sending(call) as request:
                response = await self._http.request(**request)
            if (pause := _pause(response, sent, self._retries)) is None:
                return _read(call, response.status_code, response.content)
            sent += 1
            await anyio.sleep(pause)

    async def _each(self, call: Call[Page[Entry]]) -> AsyncIterator[Entry]:
        ahead: Call[Page[Entry]] | None = call
        while ahead is not None:
            page = await self.ask(ahead)
            for entry in page.entries:
                yield entry
            ahead = calls.following(ahead, page)

    async def _follow(self, call: Call[T]) -> AsyncIterator[T]:
        with _failing(self._http):
            async with self._http.stream(call.method, call.path, timeout=QUIET) as response:
                if response.is_error:
                    _read(call, response.status_code, await response.aread())
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        yield _read(call, response.status_code, line.removeprefix("data: ").encode())

    healthz = _Method(ask, calls.healthz)
    readyz = _Method(ask, calls.readyz)
    list_collections = _Method(ask, calls.list_collections)
    get_collection = _Method(ask, calls.get_collection)
    list_failures = _Method(ask, calls.list_failures)
    make_collection = _Method(ask, calls.make_collection)
    delete_collection = _Method(ask, calls.delete_collection)
    list_alerts = _Method(ask, calls.list_alerts)
    list_models = _Method(ask, calls.list_models)
    search = _Method(ask, calls.search)
    each_hit = _Method(_each, calls.search)
    upload_to_ask = _Method(ask, calls.upload_to_ask)
    fetch_to_ask = _Method(ask, calls.fetch_to_ask)
    give_feedback = _Method(ask, calls.give_feedback)
    standing_marks = _Method(ask, calls.standing_marks)
    forget_feedback = _Method(ask, calls.forget_feedback)
    export_feedback = _Method(ask, calls.export_feedback)
    similar = _Method(ask, calls.similar)
    each_similar = _Method(_each, calls.similar)
    captions = _Method(ask, calls.captions)
    facets = _Method(ask, calls.facets)
    histogram = _Method(ask, calls.histogram)
    list_items = _Method(ask, calls.list_items)
    each_item = _Method(_each, calls.list_items)
    get_item = _Method(ask, calls.get_item)
    upload = _Method(ask, calls.upload)
    annotate = _Method(ask, calls.annotate)
    delete = _Method(ask, calls.delete)
    thumbnail = _Method(ask, calls.thumbnail)
    original = _Method(ask, calls.original)
    export = _Method(ask, calls.export)
    list_shares = _Method(ask, calls.list_shares)
    share = _Method(ask, calls.share)
    take_back = _Method(ask, calls.take_back)
    list_jobs = _Method(ask, calls.list_jobs)
    start_job = _Method(ask, calls.start_job)
    get_job = _Method(ask, calls.get_job)
    follow_job = _Method(_follow, calls.follow_job)
    stop_job = _Method(ask, calls.stop_job)
    resume_job = _Method(ask, calls.resume_job)
    embeddings = _Method(ask, calls.embeddings)
    rerank = _Method(ask, calls.rerank)


def _httpx2() -> Any:
    try:
        import httpx2
    except ImportError:
        raise BadInput("the client needs one more package: pip install 'diptych[client]'") from None
    return httpx2


def _settings(url: str, key: str, timeout: float) -> dict[str, Any]:
    """Of the client of httpx2."""
    if not url.startswith(("http://", "https://")):
        raise BadInput(f"url: {shown(url)}; give the address of a server, such as {ADDRESS}")
    if not (key.isascii() and key.isprintable()):
        raise BadInput("key: it holds a letter that no key has; give it as it was shown, without line breaks")
    return {"base_url": url, "headers": {"Authorization": f"Bearer {key}"} if key else {}, "timeout": timeout}


@contextmanager
def _sending(call: Call[Any]) -> Iterator[dict[str, Any]]:
    """What httpx2 is to send; files are open meanwhile."""
    with ExitStack() as opened:
        files = [(field, (path.name, opened.enter_context(open(path, "rb")))) for field, path in call.files]
        body = {"json": call.json, "files": files}
        given = {name: value for name, value in body.items() if value}
        yield {"method": call.method, "url": call.path, "params": call.params, **given}


@contextmanager
def _failing(http: httpx2.Client | httpx2.AsyncClient) -> Iterator[None]:
    """Raises APIError for what goes wrong on the way."""
    httpx2 = _httpx2()
    try:
        yield
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise APIError(0, f"{http.base_url}: no answer ({why}); is the server running there?") from error


def _pause(response: httpx2.Response, sent: int, retries: int) -> float | None:
    """Seconds after which to send the call again; None where that is not to be done."""
    asked = response.headers.get("Retry-After", "")
    if response.status_code not in (429, 503) or sent >= retries or not asked.isdecimal():
        return None
    return float(asked) if float(asked) <= LONGEST_PAUSE else None


def _read(call: Call[T], status: int, body: bytes) -> T:
    """What a call says. Raises APIError where it was not answered."""
    if not 200 <= status < 300:
        raise APIError(status, _detail(body))
    try:
        return call.read(body)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise APIError(status, f"{call.path}: what answers there is not `diptych serve`") from None


def _detail(body: bytes) -> str:
    """The line of a problem document (RFC 9457); of what a proxy or another server says, its beginning."""
    text = body.decode(errors="replace")
    with suppress(KeyError, TypeError, ValueError):
        text = str(json.loads(text)["detail"])
    return " ".join(text.split())[:500] or "there is no explanation"
