"""A dataset made up of noisy latent factors, on which every step from data to numbers can be checked by brute force."""

from __future__ import annotations

import numpy as np

from diptych.catalogue import Dataset
from diptych.kinds import Card, Pairs, Protocol

SIZES = {"train": 60, "test": 20, "all": 80}
PROTOCOLS = (
    Protocol("pairs", "train", "test", "test", "pair"),
    Protocol("folds", "train", "test", "test", "pair", folds=5),
    Protocol("labels", "train", "test", "train", "label"),
    Protocol("folded_labels", "train", "test", "train", "label", folds=5),
    Protocol("crossed_pairs", "train", "test", "train", "pair"),
)


class MadeUp:
    """Pictures and two texts each as rows of features; `asked` is every split that was read."""

    def __init__(self, name: str = "made_up", seed: int = 0, texts: int = 2, labelled: bool = True) -> None:
        rng = np.random.default_rng(seed)
        n, factors = SIZES["all"], rng.standard_normal((SIZES["all"], 5))
        # Texts of one picture do not stand side by side.
        owner = np.tile(np.arange(n), texts)
        images = factors @ rng.standard_normal((5, 8)) + rng.standard_normal((n, 8))
        words = factors[owner] @ rng.standard_normal((5, 7)) + rng.standard_normal((n * texts, 7))
        ids = tuple(f"{seed} {i}.jpg" for i in range(n))
        text_ids = tuple(f"{seed} {image}.jpg#{place}" for place, image in enumerate(owner))
        labels = factors[:, :3] > 0.6 if labelled else None
        self.all = Pairs(images, words, owner, labels, ids, text_ids)
        self.asked: list[str] = []
        card = Card(name, name, "here", "free", "", SIZES, PROTOCOLS, image_features="given", text_features="given")
        self.dataset = Dataset(card, self.read)

    def read(self, split: str) -> Pairs:
        self.asked.append(split)
        return self.all.select({"train": np.arange(60), "test": np.arange(60, 80), "all": np.arange(80)}[split])
