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


def test_layers_are_an_mlp_on_rows_as_they_are():
    rows = torch.from_numpy(np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32))
    net = parts.heads.layers(4, 3, 0, 2)
    first, last = (layer for layer in net if isinstance(layer, nn.Linear))
    expected = (rows @ first.weight.T + first.bias).clamp(min=0) @ last.weight.T + last.bias
    torch.testing.assert_close(net(rows), expected)
    assert not torch.allclose(net(100 * rows), net(rows))


def test_a_reversed_gradient_is_minus_the_factor_times_what_comes_back():
    rows = torch.randn(3, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    out = parts.heads.reversed_gradient(rows, 0.3)
    torch.testing.assert_close(out, rows)
    (out * torch.tensor([1.0, 2.0])).sum().backward()
    torch.testing.assert_close(rows.grad, torch.tensor([[-0.3, -0.6]]).expand(3, 2))


def test_reversal_rises_from_zero_to_one():
    assert parts.heads.reversal(0.0) == 0
    assert parts.heads.reversal(0.5) == pytest.approx(math.tanh(2.5))  # 2 / (1 + exp(-t)) - 1 = tanh(t / 2)
    assert 0.999 < parts.heads.reversal(1.0) < 1


def test_a_projection_waits_until_nothing_is_learned():
    rows = torch.from_numpy(np.random.default_rng(0).standard_normal((5, 3)))
    top = parts.heads.Projection(3).double()
    torch.testing.assert_close(top.eval()(rows), rows)
    mean, A = np.array([1.0, 2.0, 3.0]), np.random.default_rng(1).standard_normal((3, 2))
    top.set(mean, A)
    torch.testing.assert_close(top.train()(rows), rows)
    np.testing.assert_allclose(top.eval()(rows)[:, :2], (rows.numpy() - mean) @ A)
    assert (top(rows)[:, 2] == 0).all()


def test_a_set_head_gives_each_item_its_slots_whatever_else_is_in_the_batch():
    torch.manual_seed(0)
    head = parts.heads.SetHead(6, 8, 4, 3, rounds=2).eval()
    rows = torch.randn(5, 7, 6)
    assert head(rows).shape == (5, 3, 4)
    torch.testing.assert_close(head(rows)[:1], head(rows[:1]))
    assert torch.isfinite(head(torch.zeros(2, 6))).all()
    torch.testing.assert_close(head(rows), head(rows.flip(1)))


def test_a_set_head_that_reads_tells_orders_apart_but_no_padding():
    torch.manual_seed(0)
    head = parts.heads.SetHead(6, 8, 5, 3, rounds=2, read=True).eval()
    rows = torch.randn(5, 7, 6)
    assert (head(rows) - head(rows.flip(1))).abs().amax(dim=(1, 2)).min() > 0.1
    torch.testing.assert_close(head(torch.nn.functional.pad(rows, (0, 0, 2, 3))), head(rows))


def test_widths_are_wanted():
    assert parts.heads.widths({"image_width": 3, "text_width": 4}) == (3, 4)
    with pytest.raises(BadInput, match="learns from feature rows"):
        parts.heads.widths({"image_width": 3, "text_width": None})


def test_an_mlp_says_that_it_does_not_read_tokens():
    with pytest.raises(BadInput, match="sets of tokens"):
        parts.heads.mlp(4, 2)(torch.zeros(5, 3, 4))


def test_noise_is_to_least_squares_what_a_ridge_is():
    torch.manual_seed(0)
    rows = torch.randn(400, 5) @ torch.randn(5, 5)
    target = rows @ torch.randn(5, 1) + torch.randn(400, 1)
    rows, target = rows - rows.mean(dim=0), target - target.mean(dim=0)
    share = 2.0
    noise = parts.heads.Noise(share)
    noisy = torch.cat([noise(rows) for _ in range(500)])
    found = torch.linalg.lstsq(noisy, target.repeat(500, 1)).solution
    ridge = share * rows.var(dim=0).mean() * torch.eye(5)
    expected = torch.linalg.solve(rows.T @ rows / 400 + ridge, rows.T @ target / 400)
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0.02)
    assert (found - torch.linalg.lstsq(rows, target).solution).abs().max() > 0.1
    torch.testing.assert_close(noise.eval()(rows), rows)


def test_a_shortcut_is_a_line_and_the_layers_beside_it():
    rows = torch.randn(5, 4)
    net = parts.heads.noisy(4, 3, 2, dropout=0.5, noise=1.0).eval()
    beside, unit = net[-1], rows / rows.norm(dim=1, keepdim=True)
    torch.testing.assert_close(net(rows), beside.linear(unit) + beside.layers(unit))
    first, *_, last = beside.layers
    line = unit @ beside.linear.weight.T + beside.linear.bias
    deep = (unit @ first.weight.T + first.bias).clamp(min=0) @ last.weight.T + last.bias
    torch.testing.assert_close(net(rows), line + deep)
    assert isinstance(parts.heads.noisy(4, 0, 2, 0.0, 1.0)[-1], nn.Linear)


def test_autoencoders_bring_both_sides_to_codes_that_both_decoders_read():
    net = parts.heads.autoencoders({"image_width": 7, "text_width": 5}, hidden=6, dims=4, dropout=0.0, noise=0.0)
    for codes in (net.images(torch.randn(3, 7)), net.texts(torch.randn(3, 5))):
        assert codes.shape == (3, 4) and codes.abs().max() < 1
        assert net.to_image(codes).shape == (3, 7) and net.to_text(codes).shape == (3, 5)
    with pytest.raises(BadInput, match="features first"):
        parts.heads.autoencoders({"image_width": 7, "text_width": None}, 6, 4, 0.0, 0.0)


def test_noise_leaves_a_single_row_which_has_no_variance():
    rows = torch.randn(1, 5)
    assert torch.equal(parts.heads.Noise(1.0)(rows), rows)


def test_statistics_are_kept_of_what_is_shown_inside_and_move_again_after():
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    mean = net[1].running_mean.clone()
    with parts.heads.kept_statistics(net):
        inside = net(torch.full((5, 4), 7.0) + torch.randn(5, 4))
    assert torch.equal(net[1].running_mean, mean)
    torch.testing.assert_close(inside.mean(dim=0), torch.zeros(3), atol=1e-5, rtol=0)
    net(torch.randn(5, 4) + 7)
    assert not torch.equal(net[1].running_mean, mean)


def test_coders_are_a_coder_of_each_side_and_what_comes_after():
    facts = {"image_width": 5, "text_width": 3}
    net = parts.heads.coders(facts, 7, 4, torch.nn.Tanh, labels=torch.nn.Linear(2, 4))
    rows = torch.rand(6, 5)
    expected = rows
    for layer in net.images[:-1]:
        expected = layer(expected)
    torch.testing.assert_close(net.images(rows), expected.tanh())
    assert net.texts(torch.rand(6, 3)).shape == (6, 4)
    assert net.labels.in_features == 2
    with pytest.raises(BadInput, match="features first"):
        parts.heads.coders({"image_width": None, "text_width": 3}, 7, 4)


def test_a_head_waits_until_nothing_is_learned():
    body, head = torch.nn.Linear(3, 5), torch.nn.Linear(5, 2)
    headed, rows = parts.heads.Headed(body, head), torch.rand(4, 3)
    torch.testing.assert_close(headed(rows), body(rows))
    torch.testing.assert_close(headed.eval()(rows), head(body(rows)))


def test_taps_are_all_layers_side_by_side():
    taps, rows = parts.heads.Taps(3, 4, 2).eval(), torch.rand(5, 3)
    first = taps.layers[0](rows)
    torch.testing.assert_close(taps(rows), torch.cat([first, taps.layers[1](first)], dim=1))


def test_a_gate_is_read_off_the_rows_that_pass_it():
    gate, rows = parts.heads.Gate(3), torch.rand(5, 3)
    torch.testing.assert_close(gate(rows), rows / (1 + (-gate.M(rows)).exp()))
