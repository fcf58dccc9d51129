"""CM-GANs: who is told apart from whom, by hand, and that each side of the game has the other's terms with a minus."""

import numpy as np
import pytest

from diptych.methods.deep.cm_gans import CMGANs


def game(six, **settings):
    method = CMGANs(hidden=5, dims=4, **settings)
    told, net = six.batch(), six.network(method)
    net.eval()
    images, texts = six.outputs(net, told)
    return method, net, images, texts, told


def test_discriminators_see_real_and_decoded_items_and_own_and_foreign_rows(six):
    import torch

    method, net, images, texts, told = game(six)
    x, y = (torch.from_numpy(six.unit(rows)) for rows in (told.images, told.texts))
    terms = six.values(method.judged(net, images, texts, told))
    within = six.told_apart(net.image_within(x), net.image_within(net.image_decoder(images)))
    within += six.told_apart(net.text_within(y), net.text_within(net.text_decoder(texts)))
    assert terms["within"] == pytest.approx(within)
    across = 0.0
    for judge, own, other, raw in ((net.image_across, images, texts, x), (net.text_across, texts, images, y)):
        another = torch.stack([own[i - 1] for i in range(6)])  # the row of the item before
        for fake in (other, another):
            across += six.told_apart(judge(torch.cat([own, raw], 1)), judge(torch.cat([fake, raw], 1))) / 2
    assert terms["across"] == pytest.approx(across)


def test_autoencoders_lower_the_log_chance_that_fakes_are_found_out(six):
    import torch

    method, net, images, texts, told = game(six, within=0.3, across=0.6, reconstruction=2.0)
    x, y = (torch.from_numpy(six.unit(rows)) for rows in (told.images, told.texts))
    made_x, made_y = net.image_decoder(images), net.text_decoder(texts)
    terms = six.values(method.loss(net, images, texts, told))

    def found_out(logits):
        return np.log(1 - 1 / (1 + np.exp(-six.table(logits)))).mean()

    assert terms["within"] == pytest.approx(
        0.3 * (found_out(net.image_within(made_x)) + found_out(net.text_within(made_y)))
    )
    foreign = net.image_across(torch.cat([texts, x], 1)), net.text_across(torch.cat([images, y], 1))
    assert terms["across"] == pytest.approx(0.6 * sum(map(found_out, foreign)))
    apart = np.abs(six.table(made_x - x)).mean() + np.abs(six.table(made_y - y)).mean()
    assert terms["reconstruction"] == pytest.approx(2 * apart)
    assert terms["labels"] == pytest.approx(sum(six.entropy(net.labels(side), told.labels) for side in (images, texts)))


def test_the_last_layer_of_the_encoders_is_one_and_their_normalisation_is_not(six):
    _, net, *_ = game(six)
    assert net.images[3] is net.texts[3]
    assert net.images[4] is not net.texts[4]
    assert [player.name for player in CMGANs().players(net)] == ["discriminators", "autoencoders"]
