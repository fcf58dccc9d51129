"""The published description is true: whatever is sent by it, and against it, is answered by it, and never with a fault.

A few requests of each route here, always the same ones; DIPTYCH_CASES=2000 sends so many, or make soak.
"""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from itertools import count
from typing import Any

import httpx2
import pytest
from served_world import Served

pytestmark = pytest.mark.xdist_group("server")

CASES = int(os.environ.get("DIPTYCH_CASES", "0"))
"""Requests at the least, half of them valid and half not."""

EACH = 4 if not CASES else 30
"""Requests of a route before the next one's turn."""

KEY = {"Authorization": "Bearer admin"}


@pytest.fixture(scope="module")
def ids(http: httpx2.Client) -> dict[str, list[str]]:
    """What there is to name in a path; `album` is there to be changed."""
    items = http.get("/v1/collections/album/items", params={"limit": 100}).json()["items"]
    jobs = [http.post("/v1/collections/album/jobs", json={}).json()["id"] for _ in range(2)]
    return {"collection": ["album"], "item": [item["id"] for item in items], "job": jobs}


def described(server: Served, ids: dict[str, list[str]], is_valid: bool) -> Any:
    """The description, from which requests are drawn; three of four name what is there."""
    import schemathesis

    schema = schemathesis.openapi.from_url(f"{server.url}/v1/openapi.json", headers=KEY)

    @schema.hook
    def map_path_parameters(context: Any, given: dict[str, Any] | None) -> dict[str, Any] | None:
        for name, value in (given or {}).items():
            if name in ids and isinstance(value, str) and len(value) % 4:
                some = ids[name][-1:] if context.operation.method == "delete" else ids[name]  # others are still needed
                given[name] = some[len(value) % len(some)]
        return given

    @schema.hook
    def map_body(context: Any, body: Any) -> Any:
        if not is_valid or not isinstance(body, dict):
            return body
        if "model" in body:
            body["model"] = "album"
        elif "item" in body:
            body |= {"item": ids["item"][0], "shown": ids["item"][: len(body)]}
        elif "query" in body and len(body) % 2:
            return {**body, "language": "plain", "parts": [], "marks": {}, "where": None}
        return body

    return schema


@pytest.mark.parametrize("kind", ["valid", "invalid"])
def test_every_answer_is_as_it_is_described(server, http, ids, kind):
    pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    mode = GenerationMode.POSITIVE if kind == "valid" else GenerationMode.NEGATIVE
    checked = [not_a_server_error, checks.status_code_conformance, checks.content_type_conformance]
    checked += [checks.response_headers_conformance, checks.response_schema_conformance]
    schema, sent = described(server, ids, kind == "valid"), Counter[tuple[str, int]]()

    def ask(operation: Any, turn: int) -> None:
        @seed(turn)
        @settings(
            max_examples=EACH,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def is_answered(case: Any) -> None:
            answer = case.call(headers=KEY, timeout=60)
            sent[case.operation.label, answer.status_code] += 1
            refused = [checks.negative_data_rejection] * (kind == "invalid" and answer.status_code != 413)
            case.validate_response(answer, checks=checked + refused, headers=KEY)
            if answer.status_code >= 400:
                assert "\n" not in answer.json()["detail"]

        is_answered()

    every = [found.ok() for found in schema.get_all_operations()]
    # Any text may stand in a path.
    asked = [one for one in every if kind == "valid" or one.query or one.body]
    for turn in count(1):  # of some routes there is little that could be sent
        for operation in asked:
            ask(operation, turn)
        if sum(sent.values()) >= CASES / 2:
            break
    told = Counter(status for _, status in sent.elements())
    sys.stdout.write(f"\n{kind}: {sum(sent.values()):,} requests, {dict(told)}\n")
    assert sum(sent.values()) >= CASES / 2
    if kind == "valid":
        answered = {label for label, status in sent if status < 300}
        assert len(answered) > 15, answered


def test_the_description_is_complete(http):
    """Every route has a name, a text, a scope and its errors; every shape forbids what it does not know."""
    published = http.get("/v1/openapi.json").json()
    assert published["openapi"].startswith("3.1") and published["info"]["version"]
    names = []
    for path, methods in published["paths"].items():
        for operation in methods.values():
            names.append(operation["operationId"])
            assert operation["description"] and operation["tags"], path
            assert path in ("/healthz", "/readyz") or operation["x-scope"] in ("read", "write", "admin"), path
            for status in ("4XX", "5XX"):
                assert set(operation["responses"][status]["content"]) == {"application/problem+json"}, path
    assert len(names) == len(set(names))
    for name, shape in published["components"]["schemas"].items():
        if name not in ("ProblemDocument",) and not re.match("Body_|Embedding|Usage|Rerank|Ranked", name):
            assert shape["additionalProperties"] is False, name
