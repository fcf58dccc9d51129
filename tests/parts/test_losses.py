"""Loss terms against other libraries, double loops and closed forms."""

import numpy as np
import pytest

from diptych import parts
from diptych.kinds import BadInput

torch = pytest.importorskip("torch", reason="losses are on tensors")
F = torch.nn.functional


def drawn(*shape: int, seed: int = 0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).requires_grad_()


def test_cosines_are_those_of_numpy_and_zero_for_a_row_of_zeros():
    u, v = drawn(4, 3), drawn(5, 3, seed=1)
    a, b = u.detach().numpy(), v.detach().numpy()
    expected = a @ b.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(parts.losses.cosines(u, v).detach(), expected)
    assert (parts.losses.cosines(torch.zeros(1, 3), v.float()) == 0).all()


def test_contrastive_with_one_positive_a_row_is_clips_loss():
    logits = drawn(6, 6)
    truth = torch.arange(6)
    clip = (F.cross_entropy(logits, truth) + F.cross_entropy(logits.T, truth)) / 2
    torch.testing.assert_close(parts.losses.contrastive(logits, torch.eye(6)), clip)


def test_contrastive_with_several_positives_is_a_naive_double_loop():
    logits, owner = drawn(5, 5), [0, 1, 0, 2, 0]
    total, values = 0.0, logits.detach().numpy()
    for table in (values, values.T):
        for i in range(5):
            mine = [j for j in range(5) if owner[j] == owner[i]]
            bottom = sum(np.exp(table[i, j]) for j in range(5))
            total -= sum(np.log(np.exp(table[i, j]) / bottom) for j in mine) / len(mine) / 5 / 2
    positives = parts.targets.same_picture(torch.tensor(owner))
    assert parts.losses.contrastive(logits, positives).item() == pytest.approx(total)


def test_two_captions_of_one_picture_do_not_push_each_other_away():
    """Where both captions are equally near to the picture, and nothing else is there, nothing is left to gain."""
    logits = torch.zeros(2, 2, requires_grad=True)
    parts.losses.contrastive(logits, torch.ones(2, 2)).backward()
    assert logits.grad.abs().max() == 0


def test_contrastive_is_at_least_what_mutual_information_allows():
    """log b for logits that say nothing (van den Oord et al. 2018, eq. 5)."""
    assert parts.losses.contrastive(torch.zeros(7, 7), torch.eye(7)).item() == pytest.approx(np.log(7))


def test_pair_likelihood_is_binary_cross_entropy():
    theta, S = drawn(4, 5), torch.from_numpy(np.random.default_rng(1).random((4, 5)) < 0.5).double()
    ours, theirs = parts.losses.pair_likelihood(theta, S), F.binary_cross_entropy_with_logits(theta, S)
    torch.testing.assert_close(ours, theirs)
    # The gradient that DSCMR and DCMH state: (sigmoid(theta) - S) / n^2.
    (gradient,) = torch.autograd.grad(ours, theta)
    torch.testing.assert_close(gradient, (torch.sigmoid(theta) - S).detach() / 20)


def test_pair_likelihood_does_not_overflow():
    theta = torch.tensor([[1000.0, -1000.0]], requires_grad=True)
    value = parts.losses.pair_likelihood(theta, torch.tensor([[1.0, 0.0]]))
    value.backward()
    assert (value.item(), theta.grad.abs().max().item()) == (0.0, 0.0)


def test_frobenius_is_numpys_norm_and_its_gradient_the_unit_difference():
    difference = drawn(4, 3)
    value = parts.losses.frobenius(difference)
    table = difference.detach().numpy()
    assert value.item() == pytest.approx(np.linalg.norm(table, "fro") / 4)
    (gradient,) = torch.autograd.grad(value, difference)
    np.testing.assert_allclose(gradient, table / np.linalg.norm(table) / 4)


def test_frobenius_of_nothing_left_pulls_nowhere():
    nothing = torch.zeros(3, 2, requires_grad=True)
    parts.losses.frobenius(nothing).backward()
    assert (nothing.grad == 0).all()


def test_reconstruction_is_the_mean_squared_length_of_what_is_missed():
    made, rows = drawn(4, 3), drawn(4, 3, seed=1)
    missed = (made - rows).detach().numpy()
    assert parts.losses.reconstruction(made, rows).item() == pytest.approx(np.mean([row @ row for row in missed]))


def test_label_entropy_with_one_label_is_cross_entropy_and_with_none_is_nothing():
    logits, classes = drawn(5, 4), torch.tensor([0, 3, 1, 1, 2])
    one_hot = torch.eye(4, dtype=torch.float64)[classes]
    torch.testing.assert_close(parts.losses.label_entropy(logits, one_hot), F.cross_entropy(logits, classes))
    assert parts.losses.label_entropy(logits, 0 * one_hot).item() == 0


def test_label_entropy_with_several_labels_shares_its_target():
    """The gradient is softmax minus shares."""
    logits = drawn(3, 4)
    labels = torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 1], [1, 1, 1, 0]], dtype=torch.float64)
    (gradient,) = torch.autograd.grad(parts.losses.label_entropy(logits, labels), logits)
    shares = labels / labels.sum(dim=1, keepdim=True)
    torch.testing.assert_close(gradient, (logits.detach().softmax(dim=1) - shares) / 3)


def test_told_apart_is_binary_cross_entropy_and_does_not_overflow():
    real, fake = drawn(6, 1), drawn(6, 1, seed=1)
    both, truth = torch.cat([real, fake]), torch.cat([torch.ones(6, 1), torch.zeros(6, 1)]).double()
    torch.testing.assert_close(parts.losses.told_apart(real, fake), F.binary_cross_entropy_with_logits(both, truth))
    assert parts.losses.told_apart(torch.zeros(3), torch.zeros(5)).item() == pytest.approx(np.log(2))
    assert parts.losses.told_apart(torch.tensor([1000.0]), torch.tensor([-1000.0])).item() == 0


def test_passes_for_fake_is_the_log_of_the_chance_to_be_found_out():
    fake = drawn(6, 1)
    expected = np.log(1 - 1 / (1 + np.exp(-fake.detach().numpy()))).mean()
    assert parts.losses.passes_for_fake(fake).item() == pytest.approx(expected)


def test_squared_distances_are_scipys():
    from scipy.spatial.distance import cdist

    u, v = drawn(4, 3), drawn(5, 3, seed=1)
    expected = cdist(u.detach().numpy(), v.detach().numpy(), "sqeuclidean")
    np.testing.assert_allclose(parts.losses.squared_distances(u, v).detach(), expected)
    assert (parts.losses.squared_distances(u, u).detach().numpy() >= 0).all()
    of_sets = parts.losses.squared_distances(torch.stack([u, -u]), torch.stack([v, v]))
    torch.testing.assert_close(of_sets[0], parts.losses.squared_distances(u, v))
    torch.testing.assert_close(of_sets[1], parts.losses.squared_distances(-u, v))


def test_discrepancy_is_a_double_loop_and_zero_for_one_sample():
    u, v = drawn(4, 3), drawn(5, 3, seed=1)

    def mean(A, B):
        return np.mean([[np.exp(-0.7 * np.square(a - b).sum()) for b in B] for a in A])

    a, b = u.detach().numpy(), v.detach().numpy()
    expected = mean(a, a) + mean(b, b) - 2 * mean(a, b)
    assert parts.losses.discrepancy(u, v, 0.7).item() == pytest.approx(expected)
    assert parts.losses.discrepancy(u, u, 0.7).item() == pytest.approx(0, abs=1e-12)


def test_triplets_are_a_triple_loop():
    near, S = drawn(5, 6), torch.from_numpy(np.random.default_rng(1).random((5, 6)) < 0.4).double()
    table, same = near.detach().numpy(), S.numpy()
    broken = [
        max(0.0, 0.3 - table[i, j] + table[i, k])
        for i in range(5)
        for j in range(6)
        for k in range(6)
        if same[i, j] and not same[i, k]
    ]
    assert parts.losses.triplets(near, S, 0.3).item() == pytest.approx(np.mean(broken))
    assert parts.losses.triplets(near, torch.ones(5, 6), 0.3).item() == 0


def test_hardest_triplets_are_a_loop_over_anchors():
    near, same = drawn(5, 5), parts.targets.same_picture(torch.tensor([0, 1, 0, 2, 3]))
    table, mine, total = near.detach().numpy(), same.numpy(), 0.0
    for scores in (table, table.T):
        for i in range(5):
            total += max(0.0, 0.2 - scores[i, i] + max(scores[i, j] for j in range(5) if not mine[i, j])) / 5
    assert parts.losses.hardest_triplets(near, same, 0.2).item() == pytest.approx(total)


def test_all_triplets_are_a_loop_over_every_unmatched_item():
    near, same = drawn(5, 5), parts.targets.same_picture(torch.tensor([0, 1, 0, 2, 3]))
    table, mine, total = near.detach().numpy(), same.numpy(), 0.0
    for scores in (table, table.T):
        unmatched = [(i, j) for i in range(5) for j in range(5) if not mine[i, j]]
        total += np.mean([max(0.0, 0.2 - scores[i, i] + scores[i, j]) for i, j in unmatched])
    assert parts.losses.all_triplets(near, same, 0.2).item() == pytest.approx(total)


def test_triplets_of_one_picture_are_nothing():
    for triplets in (parts.losses.hardest_triplets, parts.losses.all_triplets):
        assert triplets(drawn(3, 3), torch.ones(3, 3), 0.2).item() == 0


def test_orthogonality_is_the_mean_squared_cosine():
    u, v = drawn(4, 3), drawn(4, 3, seed=1)
    a, b = u.detach().numpy(), v.detach().numpy()
    expected = np.mean([(x @ y) ** 2 / (x @ x) / (y @ y) for x, y in zip(a, b, strict=True)])
    assert parts.losses.orthogonality(u, v).item() == pytest.approx(expected)


def test_correlation_of_outputs_that_no_ridge_lifts_is_bad_input():
    u = torch.ones(8, 4) + torch.arange(8.0)[:, None]
    with pytest.raises(BadInput, match="set a larger ridge"):
        parts.losses.correlation(u, u, 1e-30)


def test_off_is_a_double_loop():
    rng = np.random.default_rng(0)
    u, v, S = rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), rng.random((4, 4))
    apart = [u[i] @ v[j] / np.linalg.norm(u[i]) / np.linalg.norm(v[j]) - S[i, j] for i in range(4) for j in range(4)]
    assert parts.losses.off(*map(torch.from_numpy, (u, v, S))).item() == pytest.approx(np.square(apart).mean())


def test_partners_is_a_loop_over_rows_and_captions_of_one_picture_are_no_rivals():
    rng = np.random.default_rng(0)
    u, v, owner = rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), np.array([0, 0, 1, 2])
    rows = np.concatenate([u, v]) / np.linalg.norm(np.concatenate([u, v]), axis=1, keepdims=True)
    near, who = np.exp(rows @ rows.T / 0.3), np.tile(owner, 2)
    expected = np.zeros(4)
    for i in range(8):
        partner = (i + 4) % 8
        others = [j for j in range(8) if j == partner or who[j] != who[i]]
        expected[i % 4] -= np.log(near[i, partner] / near[i, others].sum()) / 2
    found = parts.losses.partners(*map(torch.from_numpy, (u, v)), 0.3, torch.from_numpy(owner))
    np.testing.assert_allclose(found, expected)
