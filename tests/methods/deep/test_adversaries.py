"""MS2GAN, TANSS, AAEGAN, CAAL: their terms by hand, and who plays against whom."""

import numpy as np
import pytest

from diptych.methods.deep.aaegan import AAEGAN
from diptych.methods.deep.caal import CAAL
from diptych.methods.deep.ms2gan import MS2GAN
from diptych.methods.deep.tanss import TANSS


def test_ms2gan_hides_the_side_in_shared_rows_and_shows_it_in_specific_ones(six):
    method = MS2GAN(hidden=5, dims=4, similarity=0.3, adversary=0.2, specific=0.7, orthogonality=0.5)
    told, net = six.batch(), six.network(method)
    images, texts = six.outputs(net, told)
    terms, judged = (six.values(of(net, images, texts, told)) for of in (method.loss, method.judged))
    (u, p), (v, q) = (side.split(4, dim=1) for side in (images, texts))
    shared, specific = net.judges
    assert judged["shared"] == pytest.approx(six.told_apart(shared(u), shared(v)))
    assert judged["specific"] == pytest.approx(six.told_apart(specific(p), specific(q)))
    assert terms["shared"] == pytest.approx(-0.2 * judged["shared"])
    assert terms["specific"] == pytest.approx(0.7 * judged["specific"])
    read = [six.entropy(net.labels[0](rows), told.labels) for rows in (u, v)]
    read += [six.entropy(net.labels[1](rows), told.labels) for rows in (p, q)]
    assert terms["labels"] == pytest.approx(sum(read) / 2)
    assert terms["similarity"] == pytest.approx(
        0.3 * sum(six.likelihood(a, b, told.labels) for a, b in ((u, v), (u, u), (v, v)))
    )
    angles = [np.mean((six.unit(a) * six.unit(b)).sum(axis=1) ** 2) for a, b in ((u, p), (v, q))]
    assert terms["orthogonality"] == pytest.approx(0.5 * sum(angles))


def test_tanss_guides_both_sides_by_the_rows_of_labels(six):
    method = TANSS(hidden=5, dims=4, semantics=0.3, pairs=0.4, adversary=0.2)
    told, net = six.batch(), six.network(method)
    images, texts = six.outputs(net, told)
    guides = net.labels(told.labels)
    terms, judged = (six.values(of(net, images, texts, told)) for of in (method.loss, method.judged))
    assert judged["images"] == pytest.approx(six.told_apart(net.judges[0](guides), net.judges[0](images)))
    assert judged["texts"] == pytest.approx(six.told_apart(net.judges[1](guides), net.judges[1](texts)))
    assert terms["fooled"] == pytest.approx(-0.2 * (judged["images"] + judged["texts"]))
    assert terms["labels"] == pytest.approx(six.entropy(net.decoder(guides), told.labels))
    near = sum(np.square(six.table(side - guides)).mean() for side in (images, texts))
    read = sum(six.entropy(net.decoder(side), told.labels) for side in (images, texts))
    assert terms["semantics"] == pytest.approx(0.3 * (near + read))
    assert terms["pairs"] == pytest.approx(0.4 * six.likelihood(images, texts, told.labels))


def test_aaegan_rebuilds_across_sides_and_aligns_them(six):
    import torch

    method = AAEGAN(hidden=5, dims=4, noise=3, reconstruction=0.3, alignment=0.2, synthesis=0.5)
    told, net = six.batch(), six.network(method)
    images, texts = six.outputs(net, told)
    torch.manual_seed(1)
    terms = six.values(method.loss(net, images, texts, told))
    torch.manual_seed(1)
    fake = method.made_up(net, told)
    real = [six.unit(told.images), six.unit(told.texts)]
    remade = sum(
        np.square(six.table(decode(code)) - rows).sum(axis=1).mean()
        for code in (images, texts)
        for decode, rows in zip(net.decoders, real, strict=True)
    )
    assert terms["reconstruction"] == pytest.approx(0.3 * remade)
    assert terms["labels"] == pytest.approx(sum(six.entropy(net.labels(side), told.labels) for side in (images, texts)))
    encoded = (net.images(fake[0]), net.texts(fake[1]))
    assert terms["synthesis"] == pytest.approx(
        0.5 * sum(six.entropy(net.labels(side), told.labels) for side in encoded)
    )
    U, V = six.table(images), six.table(texts)

    def kernel(A, B):
        return np.mean([[np.exp(-np.square(a - b).sum() / 4) for b in B] for a in A])

    aligned = np.square(U - V).mean() + kernel(U, U) + kernel(V, V) - 2 * kernel(U, V)
    assert terms["alignment"] == pytest.approx(0.2 * aligned)


def test_aaegans_discriminators_are_given_the_labels(six):
    import torch

    method = AAEGAN(hidden=5, dims=4, noise=3, adversary=0.4)
    told, net = six.batch(), six.network(method)
    torch.manual_seed(1)
    judged = six.values(method.judged(net, None, None, told))
    torch.manual_seed(1)
    generated = six.values(method.generated(net, None, None, told))
    torch.manual_seed(1)
    fake = method.made_up(net, told)
    real = [torch.from_numpy(six.unit(rows)) for rows in (told.images, told.texts)]
    seen = [
        [judge(torch.cat([rows, told.labels], dim=1)) for judge, rows in zip(net.judges, side, strict=True)]
        for side in (real, fake)
    ]
    assert judged["told"] == pytest.approx(sum(six.told_apart(*pair) for pair in zip(*seen, strict=True)))
    found_out = sum(np.log(1 - 1 / (1 + np.exp(-six.table(logits)))).mean() for logits in seen[1])
    assert generated["fooled"] == pytest.approx(0.4 * found_out)


@pytest.mark.parametrize("kind", [MS2GAN, TANSS, AAEGAN, CAAL])
def test_every_parameter_has_one_player(six, kind):
    method = kind(hidden=5, dims=4)
    net = six.network(method)
    held = [id(parameter) for player in method.players(net) for parameter in player.parameters]
    assert len(held) == len(set(held)) == len(list(net.parameters()))


def test_caal_tells_pairs_of_both_stages_apart_given_the_labels(six):
    import torch

    method = CAAL(hidden=5, dims=4, noise=3, rebuilding=0.3, adversary=0.2)
    told, net = six.batch(), six.network(method)
    images, texts = six.outputs(net, told)
    torch.manual_seed(1)
    p, q = (make(torch.cat([told.labels, torch.randn(6, 3).double()], dim=1)) for make in net.generators)
    x, y = (torch.from_numpy(six.unit(rows)) for rows in (told.images, told.texts))
    made_x, made_y = net.decoders[0](torch.cat([images, p], 1)), net.decoders[1](torch.cat([texts, q], 1))
    L, (first, second) = told.labels, net.judges
    rows = six.told_apart(first(torch.cat([images, texts, L], 1)), first(torch.cat([p, q, L], 1)))
    features = six.told_apart(second(torch.cat([x, y, L], 1)), second(torch.cat([made_x, made_y, L], 1)))
    torch.manual_seed(1)
    assert six.values(method.judged(net, images, texts, told)) == pytest.approx({"rows": rows, "features": features})
    torch.manual_seed(1)
    terms = six.values(method.loss(net, images, texts, told))
    missed = np.square(six.table(made_x - x)).sum(axis=1).mean() + np.square(six.table(made_y - y)).sum(axis=1).mean()
    assert terms["rebuilding"] == pytest.approx(0.3 * missed)
    assert terms["labels"] == pytest.approx(sum(six.entropy(net.labels(side), L) for side in (images, texts, p, q)))
