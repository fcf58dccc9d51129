"""Another distribution, as pip would leave it: a module with a method and a dataset, and entry points."""

from __future__ import annotations

from pathlib import Path

MODULE = '''"""Rotation (Schönemann 1966): min ||X A - Y||_F over orthogonal A."""

from dataclasses import dataclass

import numpy as np

from diptych import Card, ClosedForm, Pairs, Protocol

PROTOCOL = Protocol("pairs", "train", "test", "test", "pair")
SIZES = {"train": 60, "test": 20}
CARD = Card("far_away", "Far away", "here", "free", "", SIZES, (PROTOCOL,), generated=True, folder="far",
            image_features="given", text_features="given")


def read(split, home):
    rng = np.random.default_rng(len(split))
    rows = rng.standard_normal((SIZES[split], 6))
    turned = rows @ np.linalg.qr(np.arange(36.0).reshape(6, 6) ** 0.5)[0]
    return Pairs(rows, turned + 0.1 * rng.standard_normal(rows.shape))


@dataclass
class Rotation(ClosedForm):
    dims: int = 6

    def solve(self, X, Y, L):
        u, _, vt = np.linalg.svd(X.T @ Y, full_matrices=False)
        return (u @ vt)[:, : self.dims], np.eye(Y.shape[1])[:, : self.dims]
'''

BROKEN = "raise RuntimeError('out of order')\n"


def install(home: Path, entry_points: str, name: str = "rotations") -> Path:
    """A folder for sys.path with a distribution of this name, version 1.2."""
    home.mkdir(parents=True, exist_ok=True)
    (home / f"{name}.py").write_text(MODULE, encoding="utf-8")
    (home / f"{name}_broken.py").write_text(BROKEN, encoding="utf-8")
    facts = home / f"{name}-1.2.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", encoding="utf-8")
    (facts / "entry_points.txt").write_text(entry_points, encoding="utf-8")
    return home
