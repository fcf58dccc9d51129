"""Corr-AE, the bimodal and the semantic autoencoder: who rebuilds what from which code, by hand."""

import numpy as np
import pytest

from diptych.methods.deep.bimodal_ae import BimodalAE
from diptych.methods.deep.corr_ae import CorrAE
from diptych.methods.deep.semantic_autoencoder import SemanticAutoencoder


def miss(six, made, rows):
    return np.square(six.table(made) - six.unit(rows)).sum(axis=1).mean()


@pytest.mark.parametrize("variant", ["corr", "cross", "full"])
def test_corr_ae_rebuilds_what_its_variant_says(six, variant):
    method, told = CorrAE(variant=variant, hidden=5, dims=4, alpha=0.3), six.batch()
    net = six.network(method)
    images, texts = six.outputs(net, told)
    terms = six.values(method.loss(net, images, texts, told))
    own = miss(six, net.to_image(images), told.images) + miss(six, net.to_text(texts), told.texts)
    other = miss(six, net.to_image(texts), told.images) + miss(six, net.to_text(images), told.texts)
    assert terms["reconstruction"] == pytest.approx(0.7 * {"corr": own, "cross": other, "full": own + other}[variant])
    assert terms["correspondence"] == pytest.approx(0.3 * np.square(six.table(images - texts)).mean())


def test_each_code_of_the_bimodal_autoencoder_rebuilds_both_sides(six):
    method, told = BimodalAE(own=5, dims=4), six.batch()
    net = six.network(method)
    images, texts = six.outputs(net, told)
    # The code of both is the tanh of the sum of what each side feeds; arctanh gives that back.
    codes = {"image": images, "text": texts, "both": (images.atanh() + texts.atanh()).tanh()}
    terms = six.values(method.loss(net, images, texts, told))
    for name, code in codes.items():
        expected = miss(six, net.to_image(code), told.images) + miss(six, net.to_text(code), told.texts)
        assert terms[name] == pytest.approx(expected, rel=1e-6)


def test_the_bimodal_codes_start_as_principal_directions_of_both_sides(six, latent):
    """Before any step, a linear map of the codes' inputs explains what principal components of both sides do."""
    pairs = latent(100, 7, 9)
    method = BimodalAE(own=8, dims=3)
    net = six.network(method).float()
    method.epoch_start(net, pairs, 0)
    F, G = method.outputs(net.images[0], pairs.images), method.outputs(net.texts[0], pairs.texts)
    sides = [(rows - rows.mean(axis=0)) / rows.std() for rows in (F, G)]
    _, _, Vt = np.linalg.svd(np.hstack(sides).astype(np.float64), full_matrices=False)
    kept = np.hstack([six.table(net.images[1].weight), six.table(net.texts[1].weight)])
    np.testing.assert_allclose(np.abs(kept @ Vt[:3].T), np.eye(3), atol=1e-4)
    before = kept.copy()
    method.epoch_start(net, pairs, 1)  # later epochs leave it as it was learned
    np.testing.assert_array_equal(np.hstack([six.table(net.images[1].weight), six.table(net.texts[1].weight)]), before)


def test_the_semantic_autoencoder_encodes_again_what_it_rebuilt(six):
    method, told = SemanticAutoencoder(hidden=5, dims=4, consistency=0.5), six.batch()
    net = six.network(method)
    images, texts = six.outputs(net, told)
    terms = six.values(method.loss(net, images, texts, told))
    rebuilt = sum(
        miss(six, net.to_image(code), told.images) + miss(six, net.to_text(code), told.texts)
        for code in (images, texts)
    )
    assert terms["reconstruction"] == pytest.approx(rebuilt)
    again = ((images, texts), (net.images(net.to_image(texts)), texts), (net.texts(net.to_text(images)), images))
    expected = 0.5 * sum(np.square(six.table(one - other)).mean() for one, other in again)
    assert terms["consistency"] == pytest.approx(expected)
