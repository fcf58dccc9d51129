"""Encoders of sequences against plain loops over one sequence at a time."""

import numpy as np
import pytest

from diptych import parts
from diptych.kinds import BadInput

torch = pytest.importorskip("torch", reason="encoders of sequences are modules")
functional = torch.nn.functional
WIDTH, DIMS, LENGTHS = 6, 4, (5, 1, 3, 2)


def built(name):
    torch.manual_seed(0)
    sequences = parts.sequences
    return {
        "gru, last": lambda: sequences.Recurrent(WIDTH, 3, DIMS, "gru", both=False, take="last"),
        "gru, both, mean": lambda: sequences.Recurrent(WIDTH, 3, DIMS, "gru", both=True, take="mean"),
        "lstm, both, last": lambda: sequences.Recurrent(WIDTH, 3, DIMS, "lstm", both=True, take="last"),
        "lstm, max": lambda: sequences.Recurrent(WIDTH, 3, DIMS, "lstm", both=False, take="max"),
        "convolutional": lambda: sequences.Convolutional(WIDTH, 5, DIMS, (1, 2, 3, 4), dropout=0.3),
        "transformer": lambda: sequences.Transformer(WIDTH, 8, DIMS, heads=2, dropout=0.3),
    }[name]().double().eval()  # fmt: skip


NAMES = ["gru, last", "gru, both, mean", "lstm, both, last", "lstm, max", "convolutional", "transformer"]


@pytest.fixture
def rows():
    """Four sequences of 5, 1, 3 and 2 tokens, with two places of padding behind the longest."""
    made = np.random.default_rng(0).standard_normal((4, 7, WIDTH))
    made[np.arange(7) >= np.array(LENGTHS)[:, None]] = 0
    return torch.from_numpy(made)


@pytest.mark.parametrize("name", NAMES)
def test_padding_and_neighbours_never_change_a_row(name, rows):
    encoder = built(name)
    made = encoder(rows)
    assert made.shape == (4, DIMS)
    for row, length in enumerate(LENGTHS):
        torch.testing.assert_close(encoder(rows[row : row + 1, :length]), made[row : row + 1])
    spread = torch.zeros(4, 14, WIDTH, dtype=rows.dtype)
    spread[:, 1::2] = rows  # before, between and behind
    torch.testing.assert_close(encoder(spread), made)
    torch.testing.assert_close(encoder(7 * rows), made)


@pytest.mark.parametrize("name", NAMES)
def test_order_matters(name, rows):
    encoder = built(name)
    made, turned = encoder(rows), encoder(rows.flip(1))
    assert ((made - turned).abs().amax(dim=1) > 1e-4).tolist() == [length > 1 for length in LENGTHS]


@pytest.mark.parametrize("name", NAMES)
def test_a_row_is_a_sequence_of_one_token(name, rows):
    encoder = built(name)
    torch.testing.assert_close(encoder(rows[:, 0]), encoder(rows[:, :1]))
    assert encoder(rows[:0]).shape == (0, DIMS)
    nothing = encoder(torch.zeros(2, 3, WIDTH, dtype=rows.dtype))
    assert torch.isfinite(nothing).all()
    torch.testing.assert_close(nothing, encoder(torch.zeros(2, WIDTH, dtype=rows.dtype)))


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_moved_by_single_tokens(name, rows):
    """Else nothing could be fitted on plain rows. What a state passes on moves once the first one is no longer zero."""
    encoder = built(name).train()
    stepper = torch.optim.SGD(encoder.parameters(), lr=0.1)
    start = {key: weight.detach().clone() for key, weight in encoder.named_parameters()}
    for _ in range(3):
        stepper.zero_grad()
        encoder(rows[:, 0]).square().sum().backward()
        stepper.step()
    assert all(not torch.equal(weight, start[key]) for key, weight in encoder.named_parameters())


def gru_step(reader, token, state):
    """Cho et al. 2014 as torch has it: gates r, z and candidate n stand one above the other."""
    given = (reader.weight_ih_l0 @ token + reader.bias_ih_l0).chunk(3)
    held = (reader.weight_hh_l0 @ state + reader.bias_hh_l0).chunk(3)
    r, z = (given[0] + held[0]).sigmoid(), (given[1] + held[1]).sigmoid()
    return (1 - z) * (given[2] + r * held[2]).tanh() + z * state


@pytest.mark.parametrize("take", ["last", "mean", "max"])
def test_recurrent_is_a_loop_over_tokens_in_both_directions(take, rows):
    torch.manual_seed(1)
    encoder = parts.sequences.Recurrent(WIDTH, 3, DIMS, "gru", both=True, take=take).double()
    torch.nn.init.normal_(encoder.start)
    made = []
    for sequence, length in zip(rows, LENGTHS, strict=True):
        found = []
        for reader, start, step in zip(encoder.directions, encoder.start, (1, -1), strict=True):
            state, states = start, []
            for place in range(length)[::step]:
                state = gru_step(reader, sequence[place] / sequence[place].norm(), state)
                states.append(state)
            seen = torch.stack(states)
            found.append({"last": state, "mean": seen.mean(dim=0), "max": seen.max(dim=0).values}[take])
        made.append(encoder.project.weight @ torch.cat(found) + encoder.project.bias)
    torch.testing.assert_close(encoder(rows), torch.stack(made))


def test_convolutional_is_a_loop_over_windows(rows):
    encoder = built("convolutional")
    made = []
    for sequence, length in zip(rows, LENGTHS, strict=True):
        answers = []
        for _, maps, _ in encoder.maps:
            window = maps.kernel_size[0]
            before, found = (window - 1) // 2, []
            for place in range(length):
                answer = maps.bias.clone()
                for offset in range(window):
                    at = place - before + offset
                    if 0 <= at < length:
                        answer = answer + maps.weight[:, :, offset] @ (sequence[at] / sequence[at].norm())
                found.append(answer.clamp(min=0))
            answers.append(torch.stack(found).max(dim=0).values)
        made.append(encoder.project[1].weight @ torch.cat(answers) + encoder.project[1].bias)
    torch.testing.assert_close(encoder(rows), torch.stack(made))


def test_a_transformer_is_attention_and_feed_forward_layers_on_standard_tokens_and_places(rows):
    encoder = built("transformer")
    mean, variance = encoder.centred.running_mean, encoder.centred.running_var
    mean += torch.linspace(-0.2, 0.2, WIDTH)
    variance *= torch.linspace(0.5, 2.0, WIDTH)

    def attended(block, states):
        weights, biases = block.in_proj_weight.chunk(3), block.in_proj_bias.chunk(3)
        q, k, v = (states @ weight.T + bias for weight, bias in zip(weights, biases, strict=True))
        heads = [
            (q[:, part] @ k[:, part].T / len(q[0, part]) ** 0.5).softmax(dim=1) @ v[:, part]
            for part in (slice(0, DIMS // 2), slice(DIMS // 2, DIMS))
        ]
        return block.out_proj(torch.cat(heads, dim=1))

    made = []
    for sequence, length in zip(rows, LENGTHS, strict=True):
        states = encoder.enter((functional.normalize(sequence[:length], dim=1) - mean) / variance.sqrt())
        angles = [[place / 10000 ** (2 * pair / DIMS) for pair in range(DIMS // 2)] for place in range(length)]
        states = states + torch.tensor([[f(a) for a in row for f in (np.sin, np.cos)] for row in angles])
        for layer in encoder.layers:
            states = states + attended(layer.self_attn, layer.norm1(states))
            states = states + layer.linear2(layer.linear1(layer.norm2(states)).clamp(min=0))
        made.append(encoder.leave(states).mean(dim=0))
    # Not quite: to each variance a little is added.
    torch.testing.assert_close(encoder(rows), torch.stack(made), atol=1e-4, rtol=1e-4)


def test_tokens_are_those_of_a_transformer_with_one_that_tells_the_whole(rows):
    """Layers hear the learned token before the others; a row's own tokens alone decide it."""
    torch.manual_seed(0)
    reader = parts.sequences.Tokens(WIDTH, 8, DIMS, heads=2, dropout=0.3).double().eval()
    torch.nn.init.normal_(reader.whole)
    made = reader(rows)
    assert made.shape == (4, 8, DIMS)
    for sequence, length, found in zip(rows, LENGTHS, made, strict=True):
        states, _ = reader.entered(sequence[None, :length])
        alone = torch.cat([reader.whole[None, None], states], dim=1)
        heard = reader.heard(alone, torch.ones(1, 1 + length, dtype=torch.bool))[0]
        torch.testing.assert_close(found[: 1 + length], heard)
        assert not found[1 + length :].any()
    torch.testing.assert_close(reader(rows[:, 0]), reader(rows[:, :1]))
    assert reader(rows[:0, 0]).shape == (0, 2, DIMS)


def test_a_transformer_in_training_takes_off_what_all_tokens_share(rows):
    """Of tokens, not of padding: a direction added to all of them is gone."""
    encoder = parts.sequences.Tokens(WIDTH, 8, DIMS, heads=2).double()
    torch.nn.init.eye_(encoder.enter.weight[:, :DIMS])
    torch.nn.init.zeros_(encoder.enter.bias)
    torch.nn.init.zeros_(encoder.enter.weight[:, DIMS:])
    real = (rows != 0).any(dim=2)
    shifted = torch.where(real[:, :, None], functional.normalize(rows, dim=2) + 3 * torch.ones(WIDTH), 0.0)
    entered, kept = encoder.entered(shifted)
    torch.testing.assert_close(kept, real)
    centred = (entered - parts.sequences.places(7, DIMS))[real]
    torch.testing.assert_close(centred.mean(dim=0), torch.zeros(DIMS, dtype=rows.dtype), atol=1e-9, rtol=0)
    torch.testing.assert_close(centred.var(dim=0, correction=0), torch.ones(DIMS, dtype=rows.dtype), atol=0.01, rtol=0)


def test_dims_that_heads_do_not_share_are_told():
    with pytest.raises(BadInput, match="dims=6 is no multiple of 2 and of heads=4"):
        parts.sequences.Transformer(WIDTH, 8, 6, heads=4)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_reader_gives_each_token_what_both_directions_of_torch_have_read(cell, rows):
    torch.manual_seed(0)
    reader = parts.sequences.Reader(WIDTH, 3, DIMS, cell).double()
    both = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell](WIDTH, 3, batch_first=True, bidirectional=True).double()
    with torch.no_grad():
        for suffix, one in zip(("", "_reverse"), reader.directions, strict=True):
            for name, weight in one.named_parameters():
                getattr(both, name + suffix).copy_(weight)
    made = reader(rows)
    assert made.shape == (4, 7, DIMS)
    for row, length in enumerate(LENGTHS):
        read = torch.nn.functional.normalize(rows[row : row + 1, :length], dim=2)
        torch.testing.assert_close(made[row : row + 1, :length], reader.project(both(read)[0]))
        assert not made[row, length:].any()
    # The state before the first token counts.
    torch.nn.init.normal_(reader.start)
    assert (reader(rows) - made).abs().amax(dim=2)[rows.any(dim=2)].min() > 1e-6


def test_a_set_of_no_token_is_one_token_of_zeros():
    found, real = parts.sequences.tokens(torch.zeros(2, 0, 3))
    assert found.shape == (2, 1, 3) and not found.any() and real.all()
