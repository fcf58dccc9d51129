"""How near sets of tokens are, against double loops and against what `kinds.Sets` says."""

import numpy as np
import pytest

from diptych import parts
from diptych.kinds import sets

torch = pytest.importorskip("torch", reason="sets are compared by torch")


@pytest.fixture
def both():
    """Five sets of up to 3 tokens and four of up to 6, unit rows of 4 columns; one on each side has none."""
    rng = np.random.default_rng(0)
    asking, offered = (sets.normalise(rng.standard_normal((n, t, 4))) for n, t in ((5, 3), (4, 6)))
    asking[1, 2:], asking[3], offered[0, 1:], offered[2] = 0, 0, 0, 0
    return asking, offered


def test_every_token_asks_for_its_best_match_from_both_sides(both):
    found = parts.tokens.best_matches(*map(torch.from_numpy, both))
    for table, (asking, offered) in zip((found[0], found[1].T), (both, both[::-1]), strict=True):
        for i, one in enumerate(asking):
            for j, other in enumerate(offered):
                rows, columns = one[one.any(axis=1)], other[other.any(axis=1)]
                best = [max([float(a @ b) for b in columns], default=-1.0) for a in rows]
                assert table[i, j].item() == pytest.approx(np.mean(best) if best else 0.0, abs=1e-6)
        np.testing.assert_allclose(table.numpy(), sets.score(asking, offered), atol=1e-6)


@pytest.mark.parametrize("block", [1, 150, parts.tokens.BLOCK])  # one query at a time, two, all
def test_by_blocks_is_all_at_once(both, block, monkeypatch):
    def near(*told):
        return parts.tokens.best_matches(*told)[0]

    monkeypatch.setattr(parts.tokens, "BLOCK", block)
    found = parts.tokens.by_blocks(near, *both)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, sets.score(*both), atol=1e-6)
    assert parts.tokens.by_blocks(near, both[0][:0], both[1]).shape == (0, 4)
    assert parts.tokens.by_blocks(near, both[0], both[1][:0]).shape == (5, 0)


def test_attention_is_a_softmax_over_what_is_offered(both):
    asking, offered = (torch.from_numpy(side) for side in both)
    found = parts.tokens.attention(asking[:, None], offered, 3.0).numpy()
    assert found.shape == (5, 4, 3, 6)
    for i, one in enumerate(both[0]):
        for j, other in enumerate(both[1]):
            real = other.any(axis=1) if other.any() else np.ones(6, dtype=bool)
            near = np.exp([[3.0 * a @ b for b in other[real]] for a in one])
            np.testing.assert_allclose(found[i, j][:, real], near / near.sum(axis=1, keepdims=True), atol=1e-6)
            assert not found[i, j][:, ~real].any()
    within = parts.tokens.attention(asking, asking, 3.0)
    torch.testing.assert_close(within[2:3], parts.tokens.attention(asking[2:3], asking[2:3], 3.0))
