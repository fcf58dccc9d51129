"""What tests of methods on sets of tokens start from: six pairs of sets, and naive counterparts of their terms."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from diptych.method import Batch, Descent

OWNER = (0, 1, 0, 2, 3, 4)
FACTS = {"images": 5, "texts": 6, "image_width": 7, "text_width": 9, "classes": None}


def drawn(*shape: int, seed: int = 1, padding: bool = False) -> Any:
    """Normal numbers (n, t, d); with padding, the last tokens of every other set are zeros."""
    import torch

    values = np.random.default_rng(seed).standard_normal(shape)
    if padding:
        values[::2, -2:] = 0
    return torch.from_numpy(values)


def batch() -> Batch:
    """Six pairs of pictures (4 tokens of 7 columns) and texts (5 of 9); the first and the third share a picture."""
    import torch

    images, texts = drawn(6, 4, 7), drawn(6, 5, 9, seed=2, padding=True)
    return Batch(images, texts, torch.arange(6), torch.tensor(OWNER), None, 0.5)


def network(method: Descent) -> Any:
    """Its network for such pairs, in float64."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return method.network(FACTS).double()


def values(terms: dict[str, Any]) -> dict[str, float]:
    return {name: float(term.detach()) for name, term in terms.items()}


def matched(asking: Any, offered: Any) -> float:
    """Mean over the tokens of one set of the best cosine with a token of the other; a double loop."""
    asking, offered = ([np.asarray(row) for row in side if np.any(np.asarray(row))] for side in (asking, offered))
    best = [max(a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in offered) for a in asking]
    return sum(best) / len(best)


def near(similarity: Any, queries: Any, items: Any) -> np.ndarray:
    return np.array([[similarity(query, item) for item in items] for query in queries])


def triplets(S: np.ndarray, margin: float) -> float:
    """The mean hinge of an anchor's own pair and every negative, added up over both sides; a loop."""
    total = 0.0
    for table in (S, S.T):
        kept = [(i, j) for i in range(6) for j in range(6) if OWNER[i] != OWNER[j]]
        total += np.mean([max(0.0, margin - table[i, i] + table[i, j]) for i, j in kept])
    return total


def hardest(S: np.ndarray, margin: float) -> float:
    """The mean hinge of an anchor's own pair and its hardest negative, added up over both sides; a loop."""
    total = 0.0
    for table in (S, S.T):
        for i in range(6):
            most = max(table[i, k] for k in range(6) if OWNER[i] != OWNER[k])
            total += max(0.0, margin - table[i, i] + most) / 6
    return total


def contrastive(logits: np.ndarray) -> float:
    """Mean over anchors of both sides of minus the logarithm of a softmax at their positives; a loop."""
    total = 0.0
    for table in (logits, logits.T):
        for i, row in enumerate(table):
            positives = [j for j in range(6) if OWNER[i] == OWNER[j]]
            total -= np.mean([row[j] - np.log(np.exp(row).sum()) for j in positives]) / 12
    return total


@pytest.fixture
def six() -> SimpleNamespace:
    """The functions of this file, for tests that need torch."""
    pytest.importorskip("torch", reason="these methods need torch")
    functions = (drawn, batch, network, values, matched, near, triplets, hardest, contrastive)
    return SimpleNamespace(**{function.__name__: function for function in functions})
