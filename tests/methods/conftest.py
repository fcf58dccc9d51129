"""A small world for methods: postcards seen through noisy picture features, with captions as sparse tf-idf rows."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from diptych import postcards
from diptych.features.tfidf import TfIdf
from diptych.kinds import Pairs

IMAGES, CAPTIONS, NOISE = 300, 2, 0.3


class World(NamedTuple):
    train: Pairs
    test: Pairs


@cache
def world(seed: int = 0) -> World:
    """300 scenes with two captions each (600 pairs) to learn from, 150 to test on; labels are place and time of day.

    A picture is a random mixture of what its scene holds, with noise, cut at zero as network features are. Two scenes
    share a label with probability .33.
    """
    scenes = postcards.generate(IMAGES + IMAGES // 2, seed=seed)
    told = postcards.attribute_table(scenes)
    rng = np.random.default_rng(seed)
    mixed = told @ np.random.default_rng(99).standard_normal((told.shape[1], 96))
    pictures = np.maximum(mixed + NOISE * mixed.std() * rng.standard_normal(mixed.shape), 0.0)
    texts = [text for scene in scenes for text in scene.captions[:CAPTIONS]]
    owner = np.repeat(np.arange(len(scenes)), CAPTIONS)
    labels = told[:, [name.startswith(("place", "time")) for name in postcards.ATTRIBUTES]]
    pairs = Pairs(pictures, _words().transform(texts), owner, labels)
    return World(pairs.select(np.arange(IMAGES)), pairs.select(np.arange(IMAGES, len(scenes))))


@cache
def _words() -> TfIdf:
    scenes = postcards.generate(IMAGES, seed=0)
    return TfIdf().fit([text for scene in scenes for text in scene.captions[:CAPTIONS]])


@pytest.fixture(scope="session")
def small() -> World:
    return world()


@pytest.fixture(scope="session")
def other() -> World:
    """Another world, seen through the same features."""
    return world(1)


@pytest.fixture(scope="session")
def latent() -> Any:
    """latent(n, d_x, d_y, texts, seed): dense pairs that share five latent factors."""

    def draw(n: int = 200, d_x: int = 12, d_y: int = 9, texts: int = 1, seed: int = 0) -> Pairs:
        rng = np.random.default_rng(seed)
        world_of = np.random.default_rng(5)
        factors, owner = rng.standard_normal((n, 5)), np.repeat(np.arange(n), texts)
        X = factors @ world_of.standard_normal((5, d_x)) + rng.standard_normal((n, d_x))
        Y = factors[owner] @ world_of.standard_normal((5, d_y)) + rng.standard_normal((n * texts, d_y))
        labels = factors[:, :4] > 0.7
        labels[np.arange(n), rng.integers(0, 4, n)] = True
        return Pairs(X + 3.0, Y - 2.0, owner, labels)

    return draw


@pytest.fixture
def data() -> Path:
    """The real data sets."""
    if not os.environ.get("DIPTYCH_DATA"):
        pytest.skip("DIPTYCH_DATA is not set")
    return Path(os.environ["DIPTYCH_DATA"])
