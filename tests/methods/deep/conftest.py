"""What tests of learned methods start from: six pairs, outputs of them, and naive counterparts of common terms."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from diptych.method import Batch, Descent

FACTS = {"images": 6, "texts": 6, "image_width": 7, "text_width": 9, "classes": 3}


def batch(seed: int = 0, done: float = 0.5, owner: Any = range(6)) -> Batch:
    """Six pairs of 7-d pictures and 9-d texts with three labels each to have or not; the first has exactly one."""
    import torch

    rng = np.random.default_rng(seed)
    labels = rng.random((6, 3)) < 0.4
    labels[:2] = [[True, False, False], [False, True, True]]
    images, texts = (torch.from_numpy(rng.standard_normal((6, width))) for width in (7, 9))
    return Batch(images, texts, torch.arange(6), torch.tensor(list(owner)), torch.from_numpy(labels).double(), done)


def drawn(*shape: int, seed: int = 1) -> Any:
    """A table of normal numbers that wants its gradient."""
    import torch

    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).requires_grad_()


def network(method: Descent) -> Any:
    """Its network for six such pairs, in float64."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return method.network(FACTS).double()


def outputs(net: Any, told: Batch) -> tuple[Any, Any]:
    return net.images(told.images), net.texts(told.texts)


def values(terms: dict[str, Any]) -> dict[str, float]:
    return {name: float(table(term)) for name, term in terms.items()}


def table(tensor: Any) -> np.ndarray:
    return tensor.detach().numpy()


def unit(rows: Any) -> np.ndarray:
    rows = table(rows)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def entropy(logits: Any, labels: Any) -> float:
    """Mean over rows of minus the logarithm of a softmax at the labels of a row, each in an equal share; a loop."""
    total = 0.0
    for row, told in zip(table(logits), table(labels), strict=True):
        for label in np.flatnonzero(told):
            total -= (row[label] - np.log(np.exp(row).sum())) / told.sum()
    return total / len(logits)


def likelihood(u: Any, v: Any, labels: Any) -> float:
    """Mean over all pairs of minus the log-likelihood of sharing a label given half the cosine; a double loop."""
    rows, columns, told, total = unit(u), unit(v), table(labels), 0.0
    for i in range(len(rows)):
        for j in range(len(columns)):
            half = rows[i] @ columns[j] / 2
            chance = 1 / (1 + np.exp(-half))
            total -= np.log(chance if told[i] @ told[j] > 0 else 1 - chance)
    return total / len(rows) / len(columns)


def told_apart(real: Any, fake: Any) -> float:
    """-1/2 [mean log D(real) + mean log(1 - D(fake))], D the logistic function of logits."""
    real, fake = 1 / (1 + np.exp(-table(real))), 1 / (1 + np.exp(-table(fake)))
    return -(np.log(real).mean() + np.log(1 - fake).mean()) / 2


@pytest.fixture
def six() -> SimpleNamespace:
    """The functions of this file, for tests that need torch."""
    pytest.importorskip("torch", reason="this method needs torch")
    functions = (batch, drawn, network, outputs, values, table, unit, entropy, likelihood, told_apart)
    return SimpleNamespace(**{function.__name__: function for function in functions})
