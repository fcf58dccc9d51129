"""What the tests compare with: ranking measures from their definitions, item by item, and MS-SSIM as published."""

from __future__ import annotations

import itertools
import types
from functools import cache

import numpy as np
from scipy.ndimage import correlate

from diptych.kinds import Listed
from diptych.metrics import ranking as shipped_ranking
from diptych.metrics.ranking import TIES

N_ITEMS = 7
NAMES = (
    *(f"map@{k}{variant}" for k in (1, 2, 3, 5, "all") for variant in ("", ":hits", ":first")),
    *(f"{base}@{k}" for k in (1, 2, 3, 5, "all") for base in ("r", "recall", "p", "ndcg", "mrr")),
    "mrr",
    "medr",
    "meanr",
)


def value(name: str, ordered: np.ndarray) -> np.ndarray:
    """(P,) the measure on each row of (P, n) grades in ranked order; all relevant items are in the row."""
    base, _, cut = name.partition("@")
    number, _, variant = cut.partition(":")
    n = ordered.shape[1]
    k = n if number in ("", "all") else int(number)
    relevant = ordered > 0
    so_far = np.cumsum(relevant, axis=1)
    ranks = np.arange(1, n + 1)
    total = so_far[:, -1]
    precisions = np.where(relevant, so_far / ranks, 0.0)
    if base == "map" and variant == "hits":
        found = relevant[:, :k].sum(axis=1)
        return np.where(found > 0, precisions[:, :k].sum(axis=1) / np.maximum(found, 1), 0.0)
    if base == "map" and variant == "first":
        wanted = np.minimum(total, k)
        return np.where(so_far <= wanted[:, None], precisions, 0.0).sum(axis=1) / wanted
    if base == "map":
        return precisions[:, :k].sum(axis=1) / np.minimum(total, k)
    if base == "r":
        return relevant[:, :k].any(axis=1).astype(float)
    if base == "recall":
        return relevant[:, :k].sum(axis=1) / total
    if base == "p":
        return relevant[:, :k].sum(axis=1) / k
    if base == "ndcg":
        discounts = 1 / np.log2(ranks + 1)
        best = -np.sort(-ordered, axis=1)
        return (ordered * discounts)[:, :k].sum(axis=1) / (best * discounts)[:, :k].sum(axis=1)
    first = relevant.argmax(axis=1) + 1
    if base == "mrr":
        return np.where(first <= k, 1 / first, 0.0)
    assert base in ("medr", "meanr")
    return first.astype(float)


def orders(scores: np.ndarray, grades: np.ndarray, ties: str) -> np.ndarray:
    """(P, n) the grades in every order that the policy allows, each as often as it is likely."""
    if ties == "expected":
        shuffles = np.array(list(itertools.permutations(range(len(scores)))))
        ranked = np.take_along_axis(shuffles, np.argsort(-scores[shuffles], axis=1, kind="stable"), axis=1)
        return grades[ranked]
    last = {"stable": np.arange(len(scores)), "optimistic": -grades, "pessimistic": grades}[ties]
    return grades[np.lexsort((last, -scores))][None, :]


@cache
def cases(seed: int = 0, n: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """(n, N_ITEMS) scores with many ties and grades 0 … 3, at least one of them relevant."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, (n, N_ITEMS)).astype(np.float32)
    scores[0] = 0.0
    grades = rng.integers(0, 4, (n, N_ITEMS)) * (rng.random((n, N_ITEMS)) < 0.6)
    grades[:, 3] += grades.sum(axis=1) == 0
    return scores, grades.astype(np.float64)


@cache
def answers() -> dict[tuple[str, str], np.ndarray]:
    """(policy, name) -> (n,) the right value for each case."""
    scores, grades = cases()
    found: dict[tuple[str, str], list[float]] = {}
    for line, grade in zip(scores, grades, strict=True):
        for ties in TIES:
            ordered = orders(line, grade, ties)
            for name in NAMES:
                found.setdefault((ties, name), []).append(value(name, ordered).mean())
    return {key: np.array(values) for key, values in found.items()}


def judgements(grades: np.ndarray) -> Listed:
    query, item = np.nonzero(grades)
    ids = [tuple(map(str, range(n))) for n in grades.shape]
    return Listed(query, item, *ids, grades[query, item])


def error(measures: types.ModuleType, name: str, ranking: types.ModuleType = shipped_ranking) -> float:
    """The largest deviation of a measure from its definition, over all cases and policies."""
    scores, grades = cases()
    worst = 0.0
    for ties in TIES:
        made = ranking.rank_scores(scores, judgements(grades), 0, ties, True)
        worst = max(worst, float(np.abs(measures.measure(name, made) - answers()[ties, name]).max()))
    return worst


def published_ms_ssim(a, b, top):
    """Equation 7 of Wang et al. 2003 in the steps of the authors' code: window, 2 x 2 mean, every other pixel."""
    grid = np.exp(-(np.arange(-5, 6)[:, None] ** 2 + np.arange(-5, 6)[None, :] ** 2) / (2 * 1.5**2))
    window, c1, c2 = grid / grid.sum(), (0.01 * top) ** 2, (0.03 * top) ** 2
    result = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333), 1):
        mean = {key: correlate(v, window)[5:-5, 5:-5] for key, v in
                {"x": a, "y": b, "xx": a * a, "yy": b * b, "xy": a * b}.items()}  # fmt: skip
        contrast = (2 * (mean["xy"] - mean["x"] * mean["y"]) + c2) / (
            mean["xx"] - mean["x"] ** 2 + mean["yy"] - mean["y"] ** 2 + c2
        )
        luminance = (2 * mean["x"] * mean["y"] + c1) / (mean["x"] ** 2 + mean["y"] ** 2 + c1)
        result *= ((luminance * contrast) if scale == 5 else contrast).mean() ** weight
        small = np.ones((2, 2)) / 4
        a, b = (correlate(v, small, origin=-1)[: len(v) // 2 * 2 : 2, : v.shape[1] // 2 * 2 : 2] for v in (a, b))
    return result
