"""How alike two pictures look: PSNR and SSIM, at one scale and at several.

Pictures are arrays (h, w) or (h, w, 3) of one shape. The range of values is 255 for unsigned bytes and 1 for floats
unless `data_range` says otherwise. Colour channels are measured one by one and averaged.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from diptych.kinds import Array, BadInput

Picture = npt.NDArray[np.float64]

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Finest scale first, as Wang et al. 2003 found them by experiment."""

RADIUS = 5
SIGMA = 1.5
K1, K2 = 0.01, 0.03


def psnr(a: Array, b: Array, data_range: float | None = None) -> float:
    """Peak signal-to-noise ratio in decibels; infinite for equal pictures."""
    x, y, top = _pictures(a, b, data_range)
    return _decibels(float(np.mean((x - y) ** 2)), top)


def ms_psnr(a: Array, b: Array, data_range: float | None = None, scales: int = 5) -> float:
    """Multi-scale PSNR in decibels: the plain mean of PSNR over `scales` scales, each half as fine as the last.

    The name has no one definition; this one halves like MS-SSIM (2 x 2 means) and, unlike it, weighs scales alike:
    a mean of decibels is a geometric mean of errors as it stands. Raises BadInput when the last scale would be empty.
    """
    x, y, top = _pictures(a, b, data_range)
    _needs(x, 2 ** (scales - 1), f"ms_psnr with {scales} scales")
    values = []
    for scale in range(scales):
        if scale:
            x, y = _halved(x), _halved(y)
        values.append(_decibels(float(np.mean((x - y) ** 2)), top))
    return math.fsum(values) / scales if all(map(math.isfinite, values)) else math.inf


def ssim(a: Array, b: Array, data_range: float | None = None) -> float:
    """Structural similarity (Wang et al., IEEE TIP 2004): 11 x 11 Gaussian window, sigma 1.5, K1 0.01, K2 0.03.

    The mean over all windows that lie inside the picture, which has to be 11 x 11 or larger.
    """
    x, y, top = _pictures(a, b, data_range)
    _needs(x, 2 * RADIUS + 1, "ssim")
    luminance, contrast = _terms(x, y, top)
    return float((luminance * contrast).mean())


def ms_ssim(a: Array, b: Array, data_range: float | None = None) -> float:
    """Multi-scale structural similarity (Wang, Simoncelli & Bovik, Asilomar 2003), five scales.

    prod_j mean(contrast-structure_j)^w_j, with luminance at the coarsest scale only; between scales a mean over 2 x 2
    and every other pixel. A negative mean counts as 0. Pictures need 176 pixels a side, so that a window fits the last
    scale.
    """
    x, y, top = _pictures(a, b, data_range)
    _needs(x, (2 * RADIUS + 1) * 2 ** (len(SCALE_WEIGHTS) - 1), "ms_ssim")
    result = np.ones(x.shape[2])
    for scale, weight in enumerate(SCALE_WEIGHTS):
        if scale:
            x, y = _halved(x), _halved(y)
        luminance, contrast = _terms(x, y, top)
        last = scale == len(SCALE_WEIGHTS) - 1
        value = (luminance * contrast if last else contrast).mean(axis=(0, 1))
        result *= np.maximum(value, 0.0) ** weight
    return float(result.mean())


def _pictures(a: Array, b: Array, data_range: float | None) -> tuple[Picture, Picture, float]:
    """Both as (h, w, channels) of float64, and the largest difference their values can have."""
    if a.shape != b.shape or a.ndim not in (2, 3):
        raise BadInput(f"pictures have shapes {a.shape} and {b.shape}; both need the same (h, w) or (h, w, 3)")
    if data_range is None:
        if not (a.dtype == b.dtype and (a.dtype == np.uint8 or a.dtype.kind == "f")):
            raise BadInput(
                f"pictures are {a.dtype} and {b.dtype}; give uint8 or floats in 0 … 1 alike, or a data_range"
            )
        data_range = 255.0 if a.dtype == np.uint8 else 1.0
    x, y = (np.atleast_3d(picture).astype(np.float64) for picture in (a, b))
    return x, y, float(data_range)


def _needs(picture: Picture, side: int, what: str) -> None:
    if min(picture.shape[:2]) < side:
        raise BadInput(
            f"{what} needs pictures of {side} x {side} or larger, not {picture.shape[0]} x {picture.shape[1]}"
        )


def _decibels(error: float, top: float) -> float:
    return 10 * math.log10(top**2 / error) if error else math.inf


def _terms(x: Picture, y: Picture, top: float) -> tuple[Picture, Picture]:
    """The luminance map and the contrast-structure map of SSIM."""
    c1, c2 = (K1 * top) ** 2, (K2 * top) ** 2
    mean_x, mean_y = _blurred(x), _blurred(y)
    variance_x = _blurred(x * x) - mean_x**2
    variance_y = _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    contrast = (2 * covariance + c2) / (variance_x + variance_y + c2)
    return luminance, contrast


def _blurred(picture: Picture) -> Picture:
    """Gaussian means over the windows inside the picture: (h - 10, w - 10, channels)."""
    offsets = np.arange(-RADIUS, RADIUS + 1)
    window = np.exp(-0.5 * (offsets / SIGMA) ** 2)
    window /= window.sum()
    h, w = picture.shape[0] - 2 * RADIUS, picture.shape[1] - 2 * RADIUS
    # The window is a product, one pass down and one across; eleven shifted sums need no library.
    down = sum(weight * picture[i : i + h] for i, weight in enumerate(window))
    return np.asarray(sum(weight * down[:, i : i + w] for i, weight in enumerate(window)))


def _halved(picture: Picture) -> Picture:
    """Means over 2 x 2; an odd last row or column is left out."""
    h, w = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    return np.asarray(picture[:h, :w].reshape(h // 2, 2, w // 2, 2, -1).mean(axis=(1, 3)))
