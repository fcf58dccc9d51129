import numpy as np
import pytest
from metric_oracles import published_ms_ssim
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
