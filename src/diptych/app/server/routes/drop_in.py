"""Shapes that clients speak already: OpenAI's embeddings and Cohere's rerank, by the encoder of a collection.

https://platform.openai.com/docs/api-reference/embeddings · https://docs.cohere.com/reference/rerank
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import Request
from pydantic import BaseModel, Field

from diptych.app.server.guard import needs, router, seen, served
from diptych.app.server.library import Served
from diptych.app.server.problems import Problem
from diptych.app.server.settings import Settings
from diptych.kinds import Array

routes = router("/v1", "drop-in")

Texts = Annotated[list[Annotated[str, Field(max_length=8_000)]], Field(min_length=1, max_length=2_048)]


class EmbeddingsRequest(BaseModel):
    """`model` names a collection, whose encoder is meant."""

    model: str
    input: Annotated[str, Field(max_length=8_000)] | Texts
    encoding_format: Literal["float", "base64"] = "float"


class Embedding(BaseModel):
    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    prompt_tokens: int = 0
    total_tokens: int = 0


class Embeddings(BaseModel):
    object: Literal["list"] = "list"
    model: str
    data: list[Embedding]
    usage: Usage = Usage()


class RerankRequest(BaseModel):
    model: str
    query: Annotated[str, Field(max_length=8_000)]
    documents: Texts
    top_n: Annotated[int, Field(ge=1)] | None = None


class Ranked(BaseModel):
    index: int
    relevance_score: float


class Rerank(BaseModel):
    results: list[Ranked]
    meta: dict[str, Any] = {}


@routes.post("/embeddings", **needs("read"))
def embeddings(request: Request, asked: EmbeddingsRequest) -> Embeddings:
    """The rows of some texts under the encoder of a collection."""
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    _check_number(request, texts)
    rows = _rows(request, asked.model, texts)
    written = [
        row.tolist() if asked.encoding_format == "float" else base64.b64encode(row.tobytes()).decode() for row in rows
    ]
    data = [Embedding(index=number, embedding=row) for number, row in enumerate(written)]
    return Embeddings(model=asked.model, data=data)


@routes.post("/rerank", **needs("read"))
def rerank(request: Request, asked: RerankRequest) -> Rerank:
    """Texts by their likeness to a query, under the encoder of a collection."""
    _check_number(request, asked.documents)
    rows = _rows(request, asked.model, [asked.query, *asked.documents])
    scores = rows[1:] @ rows[0]
    best = np.argsort(-scores, kind="stable")[: asked.top_n].tolist()
    return Rerank(results=[Ranked(index=place, relevance_score=float(scores[place])) for place in best])


def _check_number(request: Request, texts: list[str]) -> None:
    settings: Settings = request.app.state.settings
    if len(texts) > settings.max_batch:
        raise Problem(413, f"{len(texts):,} texts; at most {settings.max_batch:,} at a time")


def _rows(request: Request, model: str, texts: list[str]) -> Array:
    return np.asarray(_meant(request, model).encode_texts(texts), dtype="<f4")


def _meant(request: Request, model: str) -> Served:
    """The collection of this name; "default" where there is one."""
    some = seen(request)
    return some[0] if model == "default" and len(some) == 1 else served(request, model)
