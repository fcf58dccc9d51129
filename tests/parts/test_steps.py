import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from diptych.parts.steps import AdamW  # noqa: E402


def network():
    """Matrices, biases, a norm, what stands still, and what no loss looks at."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(7, 5), torch.nn.ReLU(), torch.nn.LayerNorm(5), torch.nn.Linear(5, 3))
    net.still, net.unseen = torch.nn.Linear(2, 2).requires_grad_(False), torch.nn.Linear(2, 2)
    return net


def loss(net, step):
    torch.manual_seed(step)
    return (net[:4](torch.randn(11, 7)) ** 2).sum()


@pytest.mark.parametrize("stopped_at", [None, 3])
def test_it_is_the_adamw_of_torch_bit_for_bit_also_where_it_was_stopped_and_goes_on(stopped_at):
    ours, theirs = network(), network()
    stepper = AdamW(ours.parameters(), momentum=0.8, decay=0.1)
    trained = [parameter for parameter in theirs.parameters() if parameter.requires_grad]
    other = torch.optim.AdamW(
        [
            {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": 0.1},
            {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
        ],
        betas=(0.8, 0.999),
        fused=True,
    )
    for step in range(6):
        if step == stopped_at:
            kept = stepper.state_dict()
            stepper = AdamW(ours.parameters(), momentum=0.8, decay=0.1)
            stepper.load_state_dict(kept)
        stepper.zero_grad()
        loss(ours, step).backward()
        stepper.step(0.01 * (step + 1))
        for group in other.param_groups:
            group["lr"] = 0.01 * (step + 1)
        other.zero_grad()
        loss(theirs, step).backward()
        other.step()
    begun = dict(network().named_parameters())
    for (name, one), two in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, two), name
        assert torch.equal(one, begun[name]) == name.startswith(("still", "unseen")), name
    assert stepper.state_dict()["state"].keys() == other.state_dict()["state"].keys()


def test_a_training_does_not_load_the_compiler_of_torch():
    code = """
import sys, numpy as np
from diptych import catalogue
from diptych.kinds import Pairs
rows = np.random.default_rng(0).standard_normal((9, 4))
catalogue.method("infonce")(epochs=1, batch=8).fit(Pairs(rows, rows))
print("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
