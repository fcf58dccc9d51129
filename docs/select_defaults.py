"""Hold the defaults of the linear methods against small grids, on pictures taken out of the training part alone.

    python docs/select_defaults.py [DATASET …]     # wikipedia, flickr8k, fashion, coco_val2017; needs $DIPTYCH_DATA

Some of the training pictures are held out and ask; features and methods learn from the rest. No test split is read.
Prints a line a dataset and method: the best setting of the grid, and what the default gives.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import generate
import numpy as np

from diptych import catalogue
from diptych.catalogue import Dataset
from diptych.flow.evaluate import measure
from diptych.flow.prepare import prepare
from diptych.flow.report import figure

Grid = dict[str, Sequence[Any]]

CCA: Grid = {"ridge": (0.01, 0.1, 0.5, 1.0, 2.0, 4.0), "power": (0.0, 1.0)}
PLS: Grid = {"standardise": (True, False)}
GRIDS: dict[str, Grid] = {
    "cca": CCA,
    "cm": {"dims": (5, 7, 9), "ridge": (0.001, 0.01, 0.1, 1.0)},
    "sm": {"strength": (0.001, 0.01, 0.1, 1.0), "centre": (True, False)},
    "scm": {"strength": (0.01, 0.1, 1.0, 10.0), "centre": (True, False)},
    "pls": PLS,
    "kcca": {"ridge": (1e-4, 1e-3, 1e-2, 1e-1)},
}
# Dataset -> protocol, measure, pictures held out, seeds of the draw (none: the last ones), grids.
PLANS: dict[str, tuple[str, str, int, Sequence[int], dict[str, Grid]]] = {
    "wikipedia": ("test", "map@all", 600, (0, 1, 2), GRIDS),
    "flickr8k": ("", "mrr", 1000, (), {"cca": CCA}),
    "fashion": ("labels", "map@all", 1000, (0,), {"cca": CCA, "pls": PLS}),
    "coco_val2017": ("labels", "map@all", 500, (0,), {"cca": CCA, "pls": PLS}),
}


def held_out(name: str, protocol: str, n: int, seed: int | None) -> Dataset:
    """The training part as a dataset of its own: `held`, n of its pictures, and `train`, the rest."""
    whole = catalogue.dataset(name)
    rules = whole.card.protocol(protocol)
    pairs = whole.read(rules.train)
    order = np.arange(pairs.n_images)[::-1]
    if seed is not None:
        # Products of one name are drawn together: a text that training shows is hardly a question.
        texts = np.arange(pairs.n_texts) if isinstance(pairs.texts, np.ndarray) else np.array(pairs.texts)
        first = np.searchsorted(pairs.owner, np.arange(pairs.n_images))
        group = np.unique(texts[first], return_inverse=True)[1]
        order = np.argsort(np.random.default_rng(seed).permutation(group.max() + 1)[group], kind="stable")
    parts = {"held": pairs.select(np.sort(order[:n])), "train": pairs.select(np.sort(order[n:]))}
    database = "held" if rules.query == rules.database else "train"
    rules = replace(rules, train="train", query="held", database=database)
    card = replace(whole.card, splits={key: part.n_images for key, part in parts.items()}, protocols=(rules,))
    return Dataset(card, parts.__getitem__)


def settings_of(grid: Grid) -> list[dict[str, str]]:
    """Every combination, as `key=value` strings."""
    return [
        {key: str(value).lower() for key, value in zip(grid, values, strict=True)}
        for values in itertools.product(*grid.values())
    ]


def main(names: list[str]) -> None:
    rows = []
    for name in names or PLANS:
        protocol, metric, n, seeds, grids = PLANS[name]
        figures: dict[tuple[str, int], list[float]] = {}
        for seed in seeds or (None,):
            prepared = prepare(held_out(name, protocol, n, seed))
            for method, grid in grids.items():
                for number, settings in enumerate(settings_of(grid)):
                    report = measure(method, prepared, settings=settings, metrics=[metric]).report
                    mean = (report.i2t[metric] + report.t2i[metric]) / 2
                    figures.setdefault((method, number), []).append(mean)
        for method, grid in grids.items():
            settings = settings_of(grid)
            means = [float(np.mean(figures[method, number])) for number in range(len(settings))]
            best = int(np.argmax(means))
            cls = catalogue.method(method)
            defaults = {field.name: str(field.default).lower() for field in fields(cls) if field.name in grid}
            default = next(i for i, some in enumerate(settings) if cls.configured(some) == cls.configured(defaults))
            written = [", ".join(f"{key}={value}" for key, value in settings[i].items()) for i in (best, default)]
            shown = [figure(metric, means[i]) for i in (best, default)]
            rows.append((name, method, metric, len(settings), written[0], shown[0], written[1], shown[1]))
        print(f"{name}: done", file=sys.stderr)
    head = ("training part of", "method", "measure", "tried", "best held out", "", "default", "")
    print(generate.table(head, rows), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
