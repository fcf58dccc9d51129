"""MATLAB's `.mat` files (version 5 to 7.2), as the published features of this field come in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diptych.kinds import Array, BadInput, nearest


def arrays(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """The variables of these names: arrays, scipy.sparse matrices or cells.

    Raises BadInput where the file is damaged or none of MATLAB's, and where it lacks a name.
    """
    from scipy.io import loadmat

    try:
        found = loadmat(path, variable_names=list(names))
    except Exception as error:  # scipy, zlib and struct each have their own
        line = str(error).partition("\n")[0][:120]
        raise BadInput(f"{path}: not a .mat file, or damaged ({line}); fetch it again") from None
    missing = [name for name in names if name not in found]
    if missing:
        there = [name for name in found if not name.startswith("__")]
        raise BadInput(f"{path}: no array {', '.join(missing)}{nearest(missing[0], there)}")
    return found


def rows(path: Path, name: str, value: Any) -> Array:
    """A variable as (n, d) finite numbers, dense. Raises BadInput, naming file and variable."""
    dense = np.asarray(value.toarray() if hasattr(value, "toarray") else value)
    if dense.ndim != 2 or dense.dtype.kind not in "fiub":
        raise BadInput(f"{path}: {name} must be rows of numbers, found {dense.dtype} of shape {dense.shape}")
    if not np.isfinite(dense).all():
        row = int(np.flatnonzero(~np.isfinite(dense).all(axis=1))[0])
        raise BadInput(f"{path}: {name} holds NaN or infinity in row {row}; fetch it again")
    return dense
