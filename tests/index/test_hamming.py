import faiss
import numpy as np
import pytest

from diptych.index.hamming import Hamming
from diptych.kinds import BadInput, cosine, hamming


@pytest.mark.parametrize("bits", [8, 16, 24, 64, 128, 512])
def test_distances_are_those_of_faiss_and_ties_rise_by_id(bits: int) -> None:
    rng = np.random.default_rng(bits)
    codes = hamming.normalise(rng.standard_normal((3000, bits)))
    queries = hamming.normalise(rng.standard_normal((40, bits)))
    ids = rng.permutation(9000)[:3000]
    index = Hamming(hamming, bits // 8)
    index.add(ids, codes)
    scores, found = index.search(queries, 50)
    peer = faiss.IndexBinaryFlat(bits)
    peer.add(codes)
    np.testing.assert_array_equal(-scores, peer.search(queries, 50)[0])
    distances = np.bitwise_count(queries[:, None] ^ codes[None]).sum(axis=2)
    true = np.stack([ids[np.lexsort((ids, row))[:50]] for row in distances])
    np.testing.assert_array_equal(found, true)


@pytest.mark.parametrize("k", [1, 10, 2000, 3000])
@pytest.mark.parametrize("bits", [8, 64])
def test_any_number_of_answers_among_some_come_in_the_one_order(bits: int, k: int) -> None:
    # Of 8 bits hundreds lie at the distance of the last answer, more than Faiss is asked for beyond it.
    rng = np.random.default_rng(k)
    codes = hamming.normalise(rng.standard_normal((3000, bits)))
    query = hamming.normalise(rng.standard_normal((1, bits)))
    ids = rng.permutation(9000)[:3000]
    index = Hamming(hamming, bits // 8)
    index.add(ids, codes)
    index.remove(ids[::7])
    among = np.setdiff1d(ids[: max(k, 1500)], ids[::7])
    scores, found = index.search(query, k, among)
    distance = dict(zip(ids.tolist(), np.bitwise_count(query ^ codes).sum(axis=1).tolist(), strict=True))
    true = sorted(among.tolist(), key=lambda id: (distance[id], id))[:k]
    assert found[0, : len(true)].tolist() == true and (found[0, len(true) :] == -1).all()
    assert (-scores[0, : len(true)]).tolist() == [distance[id] for id in true]


def test_codes_must_be_packed() -> None:
    index = Hamming(hamming, 2)
    with pytest.raises(BadInput, match="eight to a byte"):
        index.add([0], np.ones((1, 2)))
    with pytest.raises(BadInput, match="cosine"):
        Hamming(cosine, 2)
