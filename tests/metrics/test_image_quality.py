import numpy as np
import pytest
from scipy.ndimage import correlate
from skimage.data import astronaut, camera
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from diptych.kinds import BadInput
from diptych.metrics.image_quality import ms_psnr, ms_ssim, psnr, ssim


def pairs():
    rng = np.random.default_rng(0)
    for picture in (camera()[100:300, 100:321], astronaut()[:190, 40:240]):
        for noise in (2, 20, 80):
            spoiled = np.clip(picture + rng.normal(0, noise, picture.shape), 0, 255).astype(np.uint8)
            yield picture, spoiled
            yield picture / 255.0, spoiled / 255.0


def test_psnr_equals_scikit_image():
    for a, b in pairs():
        top = 255 if a.dtype == np.uint8 else 1.0
        assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=top), abs=1e-9)


def test_ssim_equals_scikit_image():
    for a, b in pairs():
        top = 255 if a.dtype == np.uint8 else 1.0
        theirs = structural_similarity(
            a, b, data_range=top, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            channel_axis=-1 if a.ndim == 3 else None,
        )  # fmt: skip
        assert ssim(a, b) == pytest.approx(theirs, abs=1e-4)


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


def test_ms_ssim_equals_the_published_formula():
    for a, b in pairs():
        top = 255.0 if a.dtype == np.uint8 else 1.0
        x, y = (np.atleast_3d(v).astype(float) for v in (a, b))
        theirs = np.mean([published_ms_ssim(x[..., c], y[..., c], top) for c in range(x.shape[2])])
        assert ms_ssim(a, b) == pytest.approx(theirs, abs=1e-9)


def test_ms_psnr_of_flat_and_of_alternating_errors():
    plain = np.full((64, 64), 100, dtype=np.uint8)
    # An error that is the same everywhere is the same at every scale: MS-PSNR is PSNR.
    assert ms_psnr(plain, plain + np.uint8(10)) == pytest.approx(psnr(plain, plain + np.uint8(10)))
    # White noise: each halving averages four errors, 6.02 dB a scale; the mean of five scales is two steps above PSNR.
    rng = np.random.default_rng(0)
    clean = np.full((512, 512), 0.5)
    noisy = clean + rng.normal(0, 0.05, clean.shape)
    assert ms_psnr(clean, noisy) - psnr(clean, noisy) == pytest.approx(2 * 10 * np.log10(4), abs=0.2)


def test_equal_pictures_are_perfect():
    picture = astronaut()[:180, :180]
    assert psnr(picture, picture) == ms_psnr(picture, picture) == np.inf
    assert ssim(picture, picture) == pytest.approx(1.0)
    assert ms_ssim(picture, picture) == pytest.approx(1.0)


def test_bad_input_is_named():
    small = np.zeros((8, 8), dtype=np.uint8)
    for measure in (ssim, ms_ssim, ms_psnr):
        with pytest.raises(BadInput, match="or larger, not 8 x 8"):
            measure(small, small)
    with pytest.raises(BadInput, match="the same"):
        psnr(small, small[:4])
    with pytest.raises(BadInput, match="data_range"):
        psnr(small, small.astype(float))
