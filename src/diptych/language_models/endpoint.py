"""A model behind an address that speaks OpenAI's chat completions: llama.cpp's server, vLLM, Ollama, or a cloud."""

from __future__ import annotations

import base64
import json
import os
import time
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from diptych.kinds import BadInput
from diptych.language_models.forms import Form, Unanswered
from diptych.language_models.model import LanguageModel, Prompt

MOST = 1 << 20
"""Bytes of a reply that are read."""

AGAIN = (408, 409, 425, 429, 500, 502, 503, 504)
"""Replies that may be better a little later."""

KEY = "DIPTYCH_LANGUAGE_MODEL_KEY"
"""The environment's name of the key that an endpoint wants."""


class Endpoint(LanguageModel):
    """url       up to the version, such as http://localhost:11434/v1
    model     which of the models it has
    key       sent as a bearer token; that of the environment where none is given
    seconds   an answer may take, with all that is tried again
    tries     of one prompt, the first one too
    at_once   prompts on their way at a time
    schemas   whether the form goes with the prompt as a JSON schema, to which most servers then hold the model
    prices    of a million tokens read and a million written, in one's own money

    Raises BadInput for a url that is none.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str = "",
        seconds: float = 60.0,
        tries: int = 3,
        at_once: int = 4,
        schemas: bool = True,
        prices: tuple[float, float] = (0.0, 0.0),
        transport: Any = None,
    ) -> None:
        super().__init__()
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise BadInput(f"language model: {url!r} is no address; give one such as http://localhost:11434/v1#MODEL")
        if not model:
            raise BadInput(f"language model: which one of {url}? Write its name behind a #: {url}#MODEL")
        self.url, self.model = url.rstrip("/"), model
        self.name = f"{self.url}#{model}"
        self.seconds, self.tries, self.at_once = seconds, tries, at_once
        self.schemas, self.prices = schemas, prices
        self.sends = f"words of queries, and pictures that are looked at closer, go to {parts.hostname}"
        key = key or os.environ.get(KEY, "")
        self._http = _httpx2().Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            transport=transport,
            trust_env=False,  # a proxy of the environment would see what goes to this machine's own model
            follow_redirects=False,  # nothing goes anywhere that was not named
        )

    @property
    def money(self) -> float:
        """What the tokens cost so far."""
        return (self.spent.tokens_in * self.prices[0] + self.spent.tokens_out * self.prices[1]) / 1e6

    def _answer(self, prompt: Prompt, form: Form, until: float | None) -> Any:
        latest = time.monotonic() + self.seconds
        reply = self._asked(self._body(prompt, form), latest if until is None else min(latest, until))
        return form.read(self._content(reply))

    def _body(self, prompt: Prompt, form: Form) -> dict[str, Any]:
        said: list[dict[str, Any]] = [{"type": "text", "text": prompt.text}]
        for picture in prompt.pictures:
            data = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
            said.append({"type": "image_url", "image_url": {"url": data}})
        keep = f"Answer with one JSON object and nothing else; its only key is {form.field!r}."
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "system", "content": keep}, {"role": "user", "content": said}],
            "temperature": 0,
            "max_tokens": 700,
        }
        if self.schemas:
            schema = {"name": form.field, "strict": True, "schema": form.schema()}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _asked(self, body: dict[str, Any], until: float) -> Any:
        """The reply as JSON; tried again while it may help and there is time."""
        for attempt in range(1, self.tries + 1):
            status, data, wait = self._sent(body, until)
            if status == 200:
                try:
                    return json.loads(data)
                except (ValueError, RecursionError):
                    raise Unanswered(f"{self.url} replies with something that is no JSON") from None
            if attempt == self.tries or (status and status not in AGAIN):
                break
            pause = wait if wait is not None else 0.2 * 2**attempt
            if time.monotonic() + pause >= until:
                break
            time.sleep(pause)
        if status in (401, 403):
            raise Unanswered(f"{self.url} wants another key ({status}); give it in ${KEY}")
        if status == 404:
            raise Unanswered(f"{self.url} has no model {self.model!r}, or is not where chat completions are (404)")
        raise Unanswered(f"{self.url} replies {status}" if status else data.decode())

    def _sent(self, body: dict[str, Any], until: float) -> tuple[int, bytes, float | None]:
        """(status, what came, seconds it asks to wait); status 0 where nothing came, and why."""
        left = until - time.monotonic()
        if left <= 0:
            return 0, self._late(), None
        try:
            with self._http.stream("POST", f"{self.url}/chat/completions", json=body, timeout=left) as reply:
                data = b""
                for some in reply.iter_bytes():
                    data += some
                    if len(data) > MOST:
                        raise Unanswered(f"{self.url} replies with more than {MOST:,} bytes")
                    if time.monotonic() > until:  # it comes, drop by drop
                        return 0, self._late(), None
                return reply.status_code, data, _wait(reply.headers.get("retry-after", ""))
        except _httpx2().TimeoutException:
            return 0, self._late(), None
        except _httpx2().HTTPError as error:
            return 0, f"{self.url} is not there ({error or type(error).__name__})".encode(), None

    def _late(self) -> bytes:
        return f"{self.url} takes longer than there is time".encode()

    def _content(self, reply: Any) -> str:
        """The text of the answer in a reply, of which its tokens are counted."""
        try:
            choice = reply["choices"][0]
            message, content = choice["message"], choice["message"].get("content")
            used = reply.get("usage") or {}
            tokens = [used.get(name) or 0 for name in ("prompt_tokens", "completion_tokens")]
        except (KeyError, IndexError, TypeError, AttributeError):
            raise Unanswered(f"{self.url} replies with something that is no chat completion") from None
        if all(isinstance(number, int) for number in tokens):
            self.spent.add(tokens_in=tokens[0], tokens_out=tokens[1])
        if message.get("refusal") or choice.get("finish_reason") == "content_filter":
            raise Unanswered(f"{self.model} refuses to answer")
        if not isinstance(content, str) or not content.strip():
            raise Unanswered(f"{self.model} answers nothing")
        return content


def _wait(header: str) -> float | None:
    """The seconds of a Retry-After; None where there is none that reads."""
    try:
        if header.strip().isdecimal():
            return float(header)
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time()) if header else None
    except (ValueError, TypeError, OverflowError):
        return None


def _httpx2() -> Any:
    try:
        import httpx2
    except ImportError:
        raise BadInput("a language model behind an address needs httpx2: pip install 'diptych[client]'") from None
    return httpx2
