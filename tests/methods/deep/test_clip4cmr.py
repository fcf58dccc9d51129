"""CLIP4CMR: each of its eight losses by a naive loop."""

from dataclasses import replace

import numpy as np
import pytest

from diptych.methods.deep.clip4cmr import CLIP4CMR

MARGIN, SHARP = 0.4, 3.0


def found(six, name):
    """The loss, and what it is computed from as numpy tables: unit outputs, unit prototypes, labels."""
    method = CLIP4CMR(objective=name, hidden=5, dims=4, margin=MARGIN, sharpness=SHARP)
    told, net = six.batch(), six.network(method)
    net.eval()
    images, texts = six.outputs(net, told)
    (value,) = six.values(method.loss(net, images, texts, told)).values()
    C = six.unit(net.prototypes.weight)
    return value, six.table(images), six.table(texts), C, six.table(told.labels), net


def squared(one, other):
    return np.array([[((a - b) ** 2).sum() for b in other] for a in one])


def test_outputs_have_length_one(six):
    _, U, V, *_ = found(six, "CEL")
    np.testing.assert_allclose(np.linalg.norm(np.vstack([U, V]), axis=1), 1)


def test_cel_is_cross_entropy_of_cosines(six):
    import torch

    value, U, V, C, L, _ = found(six, "CEL")
    expected = sum(six.entropy(torch.from_numpy(SHARP * Z @ C.T), torch.from_numpy(L)) for Z in (U, V))
    assert value == pytest.approx(expected)


def test_lrl_is_the_mean_length_of_what_regression_leaves(six):
    value, U, V, C, L, _ = found(six, "LRL")
    expected = sum(np.mean([np.linalg.norm(C @ z - told) for z, told in zip(Z, L, strict=True)]) for Z in (U, V))
    assert value == pytest.approx(expected)


@pytest.mark.parametrize("name", ["ML", "CL"])
def test_pair_losses_are_loops_over_pairs(six, name):
    value, U, V, _, L, _ = found(six, name)
    D, total = squared(U, V), 0.0
    for i in range(6):
        for j in range(6):
            if L[i] @ L[j] > 0:
                total += D[i, j]
            elif name == "CL":
                total += max(0.0, MARGIN - D[i, j])
    assert value == pytest.approx(total / 6)


def test_tl_is_a_loop_over_triplets_from_both_sides(six):
    value, U, V, _, L, _ = found(six, "TL")
    total = 0.0
    for D in (squared(U, V), squared(V, U)):
        broken = [
            max(0.0, MARGIN + D[i, j] - D[i, k])
            for i in range(6)
            for j in range(6)
            for k in range(6)
            if L[i] @ L[j] > 0 and L[i] @ L[k] == 0
        ]
        total += np.mean(broken)
    assert value == pytest.approx(total)


def test_pcl_is_a_softmax_over_distances_to_prototypes_that_stay(six):
    import torch

    value, U, V, C, L, net = found(six, "PCL")
    expected = sum(six.entropy(torch.from_numpy(-SHARP * squared(Z, C)), torch.from_numpy(L)) for Z in (U, V))
    assert value == pytest.approx(expected)
    assert not net.prototypes.weight.requires_grad


def test_pnca_leaves_the_own_classes_out_of_the_sum_below(six):
    value, U, V, C, L, _ = found(six, "PNCA")
    total = 0.0
    for Z in (U, V):
        E = np.exp(-SHARP * squared(Z, C))
        for i in range(6):
            own, others = np.flatnonzero(L[i]), np.flatnonzero(L[i] == 0)
            total -= sum(np.log(E[i, c] / E[i, others].sum()) for c in own if len(others)) / max(len(own), 1) / 6
    assert value == pytest.approx(total)


def test_pal_is_a_loop_over_classes(six):
    value, U, V, C, L, _ = found(six, "PAL")
    total = 0.0
    for Z in (U, V):
        S = Z @ C.T
        pull = [np.log1p(sum(np.exp(-SHARP * (S[i, c] - MARGIN)) for i in range(6) if L[i, c])) for c in range(3)]
        push = [np.log1p(sum(np.exp(SHARP * (S[i, c] + MARGIN)) for i in range(6) if not L[i, c])) for c in range(3)]
        total += np.mean([pull[c] for c in range(3) if L[:, c].any()]) + np.mean(push)
    assert value == pytest.approx(total)


@pytest.mark.parametrize("name", ["PAL", "PNCA", "TL", "CL"])
def test_a_batch_with_one_label_gives_numbers(six, name):
    import torch

    method = CLIP4CMR(objective=name, hidden=5, dims=4)
    told, net = six.batch(), six.network(method)
    told.labels[:] = torch.tensor([1.0, 0.0, 0.0])
    images, texts = six.outputs(net, told)
    (value,) = method.loss(net, images, texts, told).values()
    value.backward()
    assert torch.isfinite(value)
    assert all(torch.isfinite(one.grad).all() for one in net.parameters() if one.grad is not None)


@pytest.mark.parametrize("name", ["CEL", "LRL", "PCL", "PNCA", "PAL"])
def test_items_of_no_class_and_of_all_classes_leave_a_loss_that_can_be_read(six, name):
    import torch

    method, told = CLIP4CMR(objective=name, hidden=5, dims=4), six.batch()
    net = six.network(method)
    images, texts = six.outputs(net, told)
    for labels in (torch.zeros(6, 3), torch.ones(6, 3)):
        (value,) = six.values(method.loss(net, images, texts, replace(told, labels=labels.double()))).values()
        assert 0 <= value < 1000
