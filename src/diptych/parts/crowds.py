"""Where most values of a distribution are, and how far the rest strays from them."""

from __future__ import annotations

import numpy as np

from diptych.kinds import Array


def crowd(values: Array) -> tuple[float, Array, Array]:
    """The mode of values, of a histogram of 100 bins, and how far those below and those above it are from it."""
    counts, edges = np.histogram(values, bins=100)
    mode = float(edges[counts.argmax() : counts.argmax() + 2].mean())
    return mode, values[values <= mode] - mode, values[values >= mode] - mode
