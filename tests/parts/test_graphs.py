"""Graph layers against their formulas, node by node."""

import numpy as np
import pytest

from diptych import parts

torch = pytest.importorskip("torch", reason="graph layers are modules")


def mixed(row, bank, k, threshold):
    """The first row of D^{-1/2} (A + I) D^{-1/2} X on the local graph of one row, as it is written."""
    row, bank = row / np.linalg.norm(row), bank / np.linalg.norm(bank, axis=1, keepdims=True)
    others = [j for j in np.argsort(-bank @ row) if bank[j] @ row < 1 - 1e-6][:k]
    X = np.vstack([row, bank[others]])
    cosines = X @ X.T
    A = np.where((cosines >= threshold) & (cosines > 0), cosines, 0.0)
    np.fill_diagonal(A, 1)
    D = np.diag(A.sum(axis=1) ** -0.5)
    return (D @ A @ D @ X)[0]


@pytest.mark.parametrize(("k", "threshold"), [(3, 0.0), (5, 0.4), (40, 0.2)])
def test_the_layer_is_the_formula_on_every_local_graph(k, threshold):
    rng = np.random.default_rng(0)
    bank, rows = rng.standard_normal((30, 4)), rng.standard_normal((8, 4))
    rows[2] = 5 * bank[7]  # one that the bank holds
    layer = parts.graphs.Neighbourhood(30, 4, k, threshold).double()
    layer.remember(bank)
    found = layer(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(found, [mixed(row, bank, k, threshold) for row in rows], atol=1e-12)


def test_a_row_is_no_neighbour_of_its_own_in_half_precision_either():
    rng = np.random.default_rng(0)
    bank = rng.standard_normal((200, 16)).astype(np.float32)
    layer = parts.graphs.Neighbourhood(200, 16, 5, 0.1)
    layer.remember(bank)
    rows = torch.from_numpy(bank[:20])
    with torch.autocast("cpu", torch.bfloat16):
        halved = layer(rows)
    torch.testing.assert_close(halved.float(), layer(rows))


@pytest.fixture
def sets():
    """Four sets of 5, 2, 1 and 3 nodes of 6 columns, with rows of zeros behind."""
    made = np.random.default_rng(0).standard_normal((4, 5, 6))
    for nodes, number in zip(made, (5, 2, 1, 3), strict=True):
        nodes[number:] = 0
    return torch.from_numpy(made)


def test_nodes_hear_each_other_by_affinity(sets):
    torch.manual_seed(0)
    layer = parts.graphs.Affinity(6, 2).double()
    found = layer(sets).detach().numpy()
    for nodes, made in zip(sets.numpy(), found, strict=True):
        v = nodes[nodes.any(axis=1)]
        for at in range(2):
            theta, phi, g, W = (getattr(layer, name)[at].weight.detach().numpy() for name in ("theta", "phi", "g", "W"))
            u = [row / np.linalg.norm(row) for row in v]
            heard = [np.mean([(theta @ a) @ (phi @ b) * (g @ b) for b in u], axis=0) for a in u]
            v = np.array([row + W @ message for row, message in zip(v, heard, strict=True)])
        np.testing.assert_allclose(made[: len(v)], v, atol=1e-12)
        assert not made[len(v) :].any()


def test_reasoning_reads_the_nodes_in_their_order_and_shows_them_in_training_alone(sets):
    torch.manual_seed(0)
    reader = parts.graphs.Reasoning(6, 4, 2).double()
    told = reader.train()(sets)
    assert told.shape == (4, 6, 4)
    reader.eval()
    nodes = torch.zeros(4, 5, 4, dtype=sets.dtype)
    real = (sets != 0).any(dim=2)
    nodes[real] = torch.nn.Sequential(*reader.nodes)(torch.nn.functional.normalize(sets, dim=2)[real])
    expected = reader.centred(reader.whole(reader.graph(nodes)))
    torch.testing.assert_close(reader(sets), expected)
    padded = torch.cat([sets, torch.zeros(4, 2, 6, dtype=sets.dtype)], dim=1)
    torch.testing.assert_close(reader(padded), expected)
    assert (reader(sets.flip(1)) - expected).abs().amax(dim=1)[[0, 1, 3]].min() > 1e-4


def test_nodes_are_a_map_of_standardised_tokens(sets):
    torch.manual_seed(0)
    layer = parts.graphs.Nodes(6, 4).double()
    found = layer.train()(sets)
    real = (sets != 0).any(dim=2)
    tokens = torch.nn.functional.normalize(sets[real], dim=1)
    standard = (tokens - tokens.mean(dim=0)) / (tokens.var(dim=0, unbiased=False) + layer[0].eps).sqrt()
    torch.testing.assert_close(found[real], standard @ layer[1].weight.T + layer[1].bias)
    assert not found[~real].any()


def test_each_kernel_hears_neighbours_by_how_far_they_are(sets):
    torch.manual_seed(0)
    layer = parts.graphs.KernelConvolution(6, kernels=3, maps=2).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    edges = torch.rand(4, 5, 5, dtype=sets.dtype)
    made = layer(sets, edges).detach().numpy()
    assert made.shape == (4, 5, 6)
    mean, width, W, b = (layer_.detach().numpy() for layer_ in (layer.means, layer.widths, layer.W.weight, layer.b))
    for x, e, found in zip(sets.numpy(), edges.numpy(), made, strict=True):
        for i in range(5):
            expected = b.copy()
            for j in range(5):
                p = np.exp(-((j - i - mean) ** 2) / (2 * width**2))
                for k, share in enumerate(p / p.sum()):
                    expected[2 * k : 2 * k + 2] += e[i, j] * share * (W[2 * k : 2 * k + 2] @ x[j])
            np.testing.assert_allclose(found[i], expected, atol=1e-10)


def test_a_scene_graph_puts_a_relation_beside_each_thing(sets):
    torch.manual_seed(0)

    def turned_round(nodes):
        return torch.stack([nodes, -nodes], dim=2)

    graph = parts.graphs.SceneGraph(6, 4, torch.nn.Linear(4, 4, bias=False), turned_round).double().eval()
    found = graph(sets)
    assert found.shape == (4, 5, 8)
    nodes = graph.nodes(sets)
    for rows, made in zip(nodes, found, strict=True):
        for node, both in zip(rows, made, strict=True):
            relation = graph.relations(torch.stack([node, -node])[None])[0] if node.any() else torch.zeros(4)
            torch.testing.assert_close(both, torch.cat([graph.things(node), relation.to(node)]))


def test_levels_hear_each_other_within_an_item(sets):
    torch.manual_seed(0)
    layer = parts.graphs.Interaction(3, 2.0).double()
    found = layer(sets).detach().numpy()
    A, B = (listen.weight.detach().numpy() for listen in layer.maps)
    for item, made in zip(sets.numpy(), found, strict=True):
        real = item.any(axis=1)
        o, r = item[real, :3], item[real, 3:]
        unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (o, r)]
        near = np.exp(2.0 * unit[0] @ unit[1].T)
        heard = [near / near.sum(axis=1, keepdims=True) @ r @ A.T, (near / near.sum(axis=0)).T @ o @ B.T]
        np.testing.assert_allclose(made[real], item[real] + np.hstack(heard), atol=1e-12)
        assert not made[~real].any()


def test_a_convolution_is_its_formula():
    rng = np.random.default_rng(0)
    nodes, edges = rng.standard_normal((6, 4)), rng.random((6, 6))
    edges = edges + edges.T
    edges[2], edges[:, 2] = 0, 0  # a node that nobody knows
    layer = parts.graphs.Convolution(4, 3).double().eval()
    told = np.zeros((6, 3))
    W, degree = layer.W.weight.detach().numpy(), edges.sum(axis=1)
    for i in range(6):
        for j in range(6):
            if edges[i, j]:
                told[i] += edges[i, j] / np.sqrt(degree[i] * degree[j]) * W @ nodes[j]
    found = layer(torch.from_numpy(nodes), torch.from_numpy(edges)).detach()
    np.testing.assert_allclose(found, np.maximum(told / np.sqrt(1 + 1e-5), 0), atol=1e-9)


def test_in_the_graph_of_both_a_picture_hears_its_text_and_in_its_own_it_does_not():
    torch.manual_seed(0)
    net = parts.graphs.PairGraph(5, 4, 8, 6).eval()
    images, texts, edges = torch.rand(3, 5), torch.rand(3, 4), torch.eye(3)
    before = net(images, texts, edges)
    texts[1] = torch.tensor([1.0, 0, 0, 0])
    moved = [
        [not torch.allclose(a, b) for a, b in zip(*told, strict=True)]
        for told in zip(before, net(images, texts, edges), strict=True)
    ]
    assert moved == [[False] * 3, [False, True, False], [False, True, False], [False, True, False]]
