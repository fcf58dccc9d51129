"""Canonical correlation of 200,000 pairs of 512 and 512 numbers, against the bare products X'X, X'Y and Y'Y.

And, on a smaller problem that all of them finish, against scikit-learn and cca-zoo. The correlations have to agree.

    pip install -e ".[bench]"
    python bench/cca.py [--json] [--pairs 200000] [--width 512]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np

from diptych.kinds import Pairs
from diptych.methods.subspace.cca import CCA

FACTORS = 32


def correlated(n: int, width: int, seed: int = 0) -> Pairs:
    """Two sides that share a few factors of falling strength, made in blocks so that they alone fill the memory."""
    rng = np.random.default_rng(seed)
    strength = np.linspace(2, 0.5, FACTORS)[:, None]
    ways = [strength * rng.standard_normal((FACTORS, width)) / np.sqrt(width) for _ in range(2)]
    sides = [np.empty((n, width)) for _ in range(2)]
    for start in range(0, n, 4096):
        stop = min(start + 4096, n)
        factors = rng.standard_normal((stop - start, FACTORS)) * np.sqrt(width)
        for side, way in zip(sides, ways, strict=True):
            side[start:stop] = factors @ way / 8 + rng.standard_normal((stop - start, width))
    return Pairs(*sides)


def ours(pairs: Pairs, dims: int) -> Callable[[], np.ndarray]:
    # A ridge so light that the correlations are those of the peers, which have none.
    return lambda: CCA(dims=dims, ridge=1e-12).fit(pairs).correlations_


def scikit(pairs: Pairs, dims: int) -> Callable[[], np.ndarray]:
    from sklearn.cross_decomposition import CCA as Peer

    def fit() -> np.ndarray:
        model = Peer(n_components=dims, max_iter=5000).fit(pairs.images, pairs.texts)
        return paired_correlations(*model.transform(pairs.images, pairs.texts))

    return fit


def zoo(pairs: Pairs, dims: int) -> Callable[[], np.ndarray]:
    from cca_zoo.linear import CCA as Peer

    def fit() -> np.ndarray:
        views = [pairs.images, pairs.texts]
        return paired_correlations(*Peer(n_components=dims).fit(views).transform(views))

    return fit


def paired_correlations(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    u, v = u - u.mean(axis=0), v - v.mean(axis=0)
    return np.abs((u * v).sum(axis=0)) / np.linalg.norm(u, axis=0) / np.linalg.norm(v, axis=0)


def alternating(ways: dict[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Way -> seconds of each run; the ways take turns, so that a busy machine is unkind to all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def against_products(n: int, width: int, runs: int) -> dict[str, float]:
    pairs = correlated(n, width)
    X, Y = pairs.images, pairs.texts
    CCA().fit(pairs)
    peak = peak_mb()
    took = alternating({"fit": lambda: CCA().fit(pairs), "products": lambda: (X.T @ X, X.T @ Y, Y.T @ Y)}, runs)
    return {
        "fit_seconds": statistics.median(took["fit"]),
        "products_seconds": statistics.median(took["products"]),
        "times_the_products": statistics.median(np.divide(took["fit"], took["products"]).tolist()),
        "peak_mb": peak,
        "data_mb": (X.nbytes + Y.nbytes) / 2**20,
    }


def against_peers(n: int, width: int, dims: int, runs: int) -> dict[str, float]:
    """Library -> median seconds of a fit; cca-zoo only where it is installed."""
    pairs = correlated(n, width)
    ways = {"diptych": ours(pairs, dims), "scikit-learn": scikit(pairs, dims)}
    if importlib.util.find_spec("cca_zoo"):
        ways["cca-zoo"] = zoo(pairs, dims)
    correlations = {name: way() for name, way in ways.items()}
    for name, found in correlations.items():
        if np.abs(found - correlations["diptych"]).max() > 1e-3:
            raise SystemExit(f"{name} finds correlations {found}, ours are {correlations['diptych']}")
    return {name: statistics.median(seconds) for name, seconds in alternating(ways, runs).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pairs", type=int, default=200_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--peer-pairs", type=int, default=20_000)
    parser.add_argument("--peer-width", type=int, default=128)
    parser.add_argument("--peer-dims", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3, help="alternating runs; the median counts")
    asked = parser.parse_args()

    large = against_products(asked.pairs, asked.width, asked.runs)
    peers = against_peers(asked.peer_pairs, asked.peer_width, asked.peer_dims, asked.runs)
    if asked.json:
        print(json.dumps({**large, "peers": peers}))
        return
    print(f"{asked.pairs:,} pairs, {asked.width} and {asked.width} wide, median of {asked.runs} runs")
    print(f"fit            {large['fit_seconds']:8.2f} s   peak {large['peak_mb']:.0f} MB", end="")
    print(f", the data alone {large['data_mb']:.0f} MB")
    print(f"bare products  {large['products_seconds']:8.2f} s   ratio {large['times_the_products']:.2f}")
    print(f"{asked.peer_pairs:,} pairs, {asked.peer_width} and {asked.peer_width} wide, {asked.peer_dims} directions")
    for name, seconds in peers.items():
        print(f"{name:14} {seconds:8.2f} s   x{seconds / peers['diptych']:.1f}")
    if "cca-zoo" not in peers:
        print("cca-zoo        skipped: pip install -e .[bench]")


if __name__ == "__main__":
    main()
