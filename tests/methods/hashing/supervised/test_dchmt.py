"""DCHMT: its distances are those of softmaxes over two, and its terms are loops over pairs."""

import numpy as np
import pytest

from diptych.method import Batch
from diptych.methods.hashing.supervised.dchmt import DCHMT

torch = pytest.importorskip("torch", reason="this method needs torch")

L = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 1]], dtype=float)


def chosen(logits):
    """The 2 k numbers of the paper: a softmax over -1 and 1 of every bit, of logits whose difference these are."""
    two = np.exp(np.stack([-logits / 2, logits / 2], axis=2))
    return (two / two.sum(axis=2, keepdims=True)).reshape(len(logits), -1)


def test_the_terms_are_those_of_the_paper_on_its_two_numbers_a_bit():
    U, V = 4 * np.random.default_rng(0).standard_normal((2, 5, 6))
    method = DCHMT(bits=6, margin=0.6, within=0.3)
    batch = Batch(None, None, None, None, torch.from_numpy(L), 0.0)
    found = {name: t.item() for name, t in method.loss(None, torch.from_numpy(U), torch.from_numpy(V), batch).items()}
    p, q = chosen(U), chosen(V)
    expected, c, broken = {"between": 0.0, "within": 0.0}, np.sqrt(2 * 6 * 0.6), 0
    for term, weight, ways in (("between", 1.0, [(p, q)]), ("within", 0.3, [(p, p), (q, q)])):
        for one, two in ways:
            for i in range(5):
                for j in range(5):
                    D = np.linalg.norm(one[i] - two[j])
                    same = L[i] @ L[j] > 0
                    broken += not same and c > D
                    expected[term] += weight * (D**2 if same else (c - min(D, c)) ** 2) / 25 / 6
    assert broken
    assert found == pytest.approx(expected, rel=1e-5)


def test_rows_that_are_the_same_have_a_gradient_that_is_a_number():
    rows = torch.zeros(3, 4, requires_grad=True)
    batch = Batch(None, None, None, None, torch.eye(3), 0.0)
    sum(DCHMT(bits=4).loss(None, rows, rows, batch).values()).backward()
    assert torch.isfinite(rows.grad).all()
