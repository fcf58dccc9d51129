import subprocess
import sys

import pytest

from diptych.index.choice import choose
from diptych.index.flat import Flat
from diptych.index.hamming import Hamming
from diptych.index.ivf import IVF
from diptych.kinds import BadInput, cosine, hamming, l2, sets


def test_exact_while_it_is_quick_then_inverted() -> None:
    small, large = choose(10_000, 512, cosine), choose(500_000, 512, cosine)
    assert type(small.index) is Flat and "exact" in small.reason
    assert type(large.index) is IVF and "500,000 x 512" in large.reason
    assert large.latency < 0.005 and large.memory < 500_000 * 512 * 4
    assert type(choose(1_000_000, 8, hamming).index) is Hamming


def test_wishes_move_the_border() -> None:
    assert type(choose(500_000, 512, cosine, latency=1.0).index) is Flat
    assert type(choose(25_000, 512, cosine, latency=0.001).index) is IVF
    tight = choose(10_000, 512, cosine, memory=15e6)
    assert type(tight.index) is IVF and tight.memory <= 15e6
    assert type(choose(20_000, 512, l2).index) is IVF, "squared distance is the slower one"


def test_what_cannot_be_kept_is_refused_with_the_least_that_could() -> None:
    with pytest.raises(BadInput, match="584 MB"):
        choose(500_000, 512, cosine, memory=100e6)
    with pytest.raises(BadInput, match="sets"):
        choose(10, 512, sets)
    with pytest.raises(BadInput, match="at least one column"):
        choose(10, 0, cosine)


def test_choosing_loads_no_faiss() -> None:
    code = (
        "import sys; from diptych.index.choice import choose; from diptych.kinds import cosine; "
        "choose(10**6, 512, cosine); assert not {'faiss', 'torch', 'sklearn', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("n", "dims"), [(-1, 4), (4, 0), (0, -1)])
def test_no_index_has_fewer_than_no_rows_or_no_column(n: int, dims: int) -> None:
    with pytest.raises(BadInput, match=f"^{n} rows of {dims} columns"):
        choose(n, dims, cosine)
    assert choose(0, 1, cosine).memory == 0


def test_a_wish_that_is_met_exactly_is_met() -> None:
    exact = choose(1000, 64, cosine)
    assert exact.memory == 1000 * (4 * 64 + 8) and exact.latency == 1000 * 4 * 64 / 14e9
    assert choose(1000, 64, cosine, memory=exact.memory, latency=exact.latency).reason == exact.reason
    assert isinstance(choose(1000, 64, cosine, memory=exact.memory - 1).index, IVF)
    large = choose(1_000_000, 512, cosine)
    assert large.reason == "IVF: about 1.1 ms a query of 1,000,000 x 512, where exact search takes 1.5e+02 ms"
    assert choose(1_000_000, 512, cosine, latency=1e-9).reason == large.reason  # when neither is in time, the quicker
    codes = choose(1000, 8, hamming)
    assert codes.memory == 1000 * 16 and codes.latency == 1000 * 8 / 2.5e9 and codes.reason.startswith("exact: ")


def test_the_least_memory_is_named_in_full_megabytes() -> None:
    least = min(1_000_000 * (2 * 64 + 64 + 16), 1_000_000 * (4 * 64 + 8))
    with pytest.raises(BadInput, match=r"1,000,000 rows of 64 columns take 208 MB at least"):
        choose(1_000_000, 64, cosine, memory=least - 1)
    with pytest.raises(BadInput, match=r"take 209 MB at least"):
        choose(1_000_001, 64, cosine, memory=1)
