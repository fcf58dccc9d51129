"""Corr-AE and the semantic autoencoder: who rebuilds what from which code, by hand."""

import numpy as np
import pytest

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
    assert terms["correspondence"] == pytest.approx(0.3 * np.square(six.table(images - texts)).sum(axis=1).mean())


def test_the_semantic_autoencoder_encodes_again_what_it_rebuilt(six):
    method, told = SemanticAutoencoder(hidden=5, dims=4, consistency=0.5, dropout=0.0, noise=0.0), six.batch()
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
