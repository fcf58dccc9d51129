"""InfoNCE: its objective against CLIP's, what it does with captions of one picture, and the real thing."""

import math

import numpy as np
import pytest

from diptych.flow.evaluate import evaluate
from diptych.kinds import Pairs
from diptych.method import Batch
from diptych.methods.towers.infonce import InfoNCE

torch = pytest.importorskip("torch", reason="this method needs torch")
F = torch.nn.functional


def objective(owner: list[int], temperature: float = 0.07):
    """The loss of five outputs of each side, and those outputs."""
    rng = np.random.default_rng(0)
    images, texts = (torch.from_numpy(rng.standard_normal((5, 4))).float().requires_grad_() for _ in range(2))
    method = InfoNCE(temperature=temperature)
    net = method.network({"image_width": 3, "text_width": 3})
    rows = torch.tensor(owner)
    (term,) = method.loss(net, images, texts, Batch(None, None, torch.arange(5), rows, None, 0.0)).values()
    return term, images, texts, net


@pytest.mark.parametrize("temperature", [0.07, 0.5, 0.001])
def test_with_one_caption_a_picture_it_is_clips_loss(temperature):
    term, images, texts, _ = objective([0, 1, 2, 3, 4], temperature)
    # Radford et al. 2021, figure 3; the factor is clipped at 100 (section 2.5).
    logits = F.normalize(images) @ F.normalize(texts).T * min(1 / temperature, 100.0)
    clip = (F.cross_entropy(logits, torch.arange(5)) + F.cross_entropy(logits.T, torch.arange(5))) / 2
    torch.testing.assert_close(term, clip)


def test_captions_of_one_picture_pull_and_never_push():
    """The gradient of an entry of the logits is softmax minus its share of the positives."""
    term, images, texts, _ = objective([0, 1, 0, 2, 3], temperature=1.0)
    logits = (F.normalize(images) @ F.normalize(texts).T).detach().requires_grad_()
    from diptych import parts

    again = parts.losses.contrastive(logits, parts.targets.same_picture(torch.tensor([0, 1, 0, 2, 3])))
    torch.testing.assert_close(again, term)
    (gradient,) = torch.autograd.grad(again, logits)
    share = torch.eye(5)
    share[0, 2] = share[2, 0] = 1
    share = share / share.sum(1, keepdim=True)
    stated = ((logits.softmax(1) - share) + (logits.softmax(0) - share)) / 5 / 2
    torch.testing.assert_close(gradient, stated.detach())
    assert gradient[0, 2] < 0 < gradient[0, 1]


def test_the_temperature_is_learned_and_bounded():
    term, *_, net = objective([0, 1, 2, 3, 4])
    term.backward()
    assert net.temperature.log_factor.grad != 0
    rng = np.random.default_rng(0)
    same = rng.standard_normal((60, 8))
    made = InfoNCE(epochs=40, rate=0.1, batch=20, held_out=0.0, dropout=0.0, image_hidden=16, dims=8)
    made.fit(Pairs(same, same + 0.01 * rng.standard_normal((60, 8))))
    assert math.exp(made.weights_["temperature.log_factor"]) <= 100.0 * 1.5  # one step beyond, before it is clipped


@pytest.mark.data
def test_on_flickr8k_it_beats_the_floor(data):
    """One epoch of five, so that the test stays short; what all of them reach is in the table of reproductions."""
    report = evaluate(
        "infonce", "flickr8k", settings={"epochs": "1", "image_hidden": "512", "dims": "256"}, metrics=["r@10"]
    ).report
    assert report.i2t["r@10"] > 0.4
    assert report.t2i["r@10"] > 0.35
