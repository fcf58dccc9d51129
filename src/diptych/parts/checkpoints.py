"""Where an interrupted training goes on: one file in a folder, replaced whole after every epoch."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diptych.kinds import BadInput, Pairs, batches


class Checkpoint:
    """`training.pt` in a folder, of one training alone.

    identity   whatever decides the result, by name, as plain values; a file of another identity is refused
    """

    def __init__(self, folder: str | Path, identity: dict[str, Any]) -> None:
        self.file = Path(folder) / "training.pt"
        self.identity = identity

    def load(self) -> dict[str, Any] | None:
        """What was saved last; None where nothing was. Raises BadInput for a file that is damaged or of another."""
        if not self.file.is_file():
            return None
        way_out = "give another folder, or delete the file to start anew"
        try:
            state = torch.load(self.file, map_location="cpu", weights_only=True)
            identity = state.pop("identity")
        except Exception as error:  # torch raises many classes here, by what is wrong with the bytes
            raise BadInput(f"{self.file} does not read as a checkpoint ({type(error).__name__}); {way_out}") from None
        names = identity.keys() | self.identity.keys()
        other = sorted(name for name in names if identity.get(name) != self.identity.get(name))
        if other:
            raise BadInput(f"{self.file} is of another training (it differs in {', '.join(other)}); {way_out}")
        return dict(state)

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file in one step: whoever is killed meanwhile leaves the last one whole."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_suffix(".new")
        with open(new, "wb") as file:
            torch.save({"identity": self.identity, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.file)


def digest(pairs: Pairs) -> str:
    """A hash of everything in the pairs: items (of a list, what they print as), owners and labels."""
    found = hashlib.blake2b(digest_size=16)
    for items in (pairs.images, pairs.texts, pairs.owner, pairs.labels):
        if hasattr(items, "tocsr"):
            rows = items.tocsr()
            arrays = [rows.indptr, rows.indices, rows.data]
        else:
            arrays = [items]
        found.update(repr([getattr(array, "shape", None) for array in arrays]).encode())
        for array in arrays:
            if isinstance(array, np.ndarray):
                for block in batches(array, 4096):
                    found.update(np.ascontiguousarray(block).data)
            else:
                found.update("\0".join(map(str, array or ())).encode())
    return found.hexdigest()
