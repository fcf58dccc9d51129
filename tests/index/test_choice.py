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
    for n, dims in ((10, 0), (-1, 8)):
        with pytest.raises(BadInput, match=f"{n} rows of {dims} columns; an index takes 0 rows or more"):
            choose(n, dims, cosine)


def test_choosing_loads_no_faiss() -> None:
    code = (
        "import sys; from diptych.index.choice import choose; from diptych.kinds import cosine; "
        "choose(10**6, 512, cosine); assert not {'faiss', 'torch', 'sklearn', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
