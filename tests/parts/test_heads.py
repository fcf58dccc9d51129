import math

import numpy as np
import pytest

from diptych import parts
from diptych.kinds import BadInput

torch = pytest.importorskip("torch", reason="heads are modules")
nn = torch.nn


def test_an_mlp_is_its_layers_on_unit_rows():
    rows = torch.from_numpy(np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32))
    net = parts.heads.mlp(4, 3, 2, dropout=0.5).eval()
    first, last = (layer for layer in net if isinstance(layer, nn.Linear))
    unit = rows / rows.norm(dim=1, keepdim=True)
    expected = (unit @ first.weight.T + first.bias).clamp(min=0) @ last.weight.T + last.bias
    torch.testing.assert_close(net(rows), expected)
    torch.testing.assert_close(net(100 * rows), net(rows))
    assert net(rows[:0]).shape == (0, 2)


def test_an_mlp_has_the_hidden_layers_that_have_a_width():
    def widths(net):
        return [(layer.in_features, layer.out_features) for layer in net if isinstance(layer, nn.Linear)]

    assert widths(parts.heads.mlp(9, 5, 4, 2)) == [(9, 5), (5, 4), (4, 2)]
    assert widths(parts.heads.mlp(9, 0, 2)) == [(9, 2)]
    assert widths(parts.heads.mlp(9, 2)) == [(9, 2)]


def test_dropout_is_on_hidden_layers_alone():
    torch.manual_seed(0)
    rows = torch.ones(1, 4)
    linear, deep = parts.heads.mlp(4, 2, dropout=0.5), parts.heads.mlp(4, 64, 2, dropout=0.5)
    torch.testing.assert_close(linear(rows), linear(rows))
    assert not torch.equal(deep(rows), deep(rows))


def test_a_row_of_zeros_is_no_nan():
    assert torch.isfinite(parts.heads.mlp(4, 3)(torch.zeros(2, 4))).all()


def test_items_without_a_width_want_features_first():
    with pytest.raises(BadInput, match="learns from feature rows"):
        parts.heads.mlp(None, 3, 2)


def test_a_network_names_what_it_holds():
    net = parts.heads.Network(nn.Linear(3, 2), nn.Linear(4, 2), judge=nn.Linear(2, 1))
    assert {name.partition(".")[0] for name, _ in net.named_parameters()} == {"images", "texts", "judge"}


def test_temperature_starts_where_told_and_never_exceeds_its_bound():
    warm = parts.heads.Temperature(0.07)
    assert warm(torch.ones(1)).item() == pytest.approx(1 / 0.07)
    with torch.no_grad():
        warm.log_factor.fill_(math.log(500.0))
    bound = warm(torch.ones(1))
    assert bound.item() == pytest.approx(100.0)
    bound.backward()
    assert warm.log_factor.grad != 0  # at the bound it can still turn back


def test_there_is_no_part_of_another_name():
    with pytest.raises(AttributeError, match="no part 'tails'"):
        _ = parts.tails
