"""What every method owes, asked of each one that the catalogue lists."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import inspect
import itertools
import statistics
import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diptych import catalogue
from diptych.kinds import BadInput, Hamming, Listed, Pairs, Sets, SharedLabels, cosine, dot, hamming, l2, sets, tables
from diptych.method import Alternating, Descent, Method, Needs
from diptych.metrics import measures, ranking
from diptych.parts.fitted import Above, AtLeast, Below, Fitted

NAMES = sorted(catalogue.methods())
QUICK = {
    "landmarks": 64,
    "drawn": 500,
    "epochs": 4,
    "batch": 48,
    "hidden": 64,
    "image_hidden": 64,
    "dims": 64,
    "rounds": 2,
    "dropout": 0.0,
}
"""Fields by name whose defaults are meant for more than 300 pairs, and the most that they are here."""
RATE, WARMUP = 0.016, 0.3
"""The least rate of what is trained, and how long it rises to it: the steps are few."""
LONGER = 10
"""Epochs for those that have not learned enough after the first few."""
NARROW = 32
"""What is enough where nothing has to be learned well."""
SHORT = 12
"""Bits that are enough there, of codes that are solved for bit by bit."""
SOME, FEW = 150, 16
"""Pictures that are enough to learn from, and that are enough for a field to change something."""
CODE_LINES, MEDIAN_LINES = 110, 50
"""What a method's file may have, and half of them."""


def runs(name: str) -> bool:
    """Whether it can be fitted here: what descends wants torch."""
    return not issubclass(catalogue.method(name), Descent) or importlib.util.find_spec("torch") is not None


def fitted_of(needs: tuple[str, ...] = typing.get_args(Needs), worker: str | None = None) -> list[Any]:
    """The methods with one of these needs, skipped where they can not be fitted.

    All that is asked of one method is asked in one process (or in the one of that name), which fits it once.
    """
    skipped = pytest.mark.skip(reason="torch is not installed")
    names = [name for name in NAMES if catalogue.method(name).needs in needs]
    return [
        pytest.param(name, marks=[pytest.mark.xdist_group(worker or name), *([] if runs(name) else [skipped])])
        for name in names
    ]


def of(name: str, **changed: Any) -> Method:
    """The method with its defaults (but for QUICK) and these changes."""
    found = catalogue.method(name)
    defaults = {field.name: field.default for field in dataclasses.fields(found)}
    numbers = {field for field, value in defaults.items() if isinstance(value, int | float)}
    most = QUICK | ({"words": 16} if "books" in defaults else {})  # those of a book of codes; others are of texts
    quick = {field: min(value, defaults[field]) for field, value in most.items() if field in numbers}
    if "epochs" in defaults:  # what it is on top of may be what descends
        quick |= {"rate": max(RATE, defaults["rate"]), "warmup": max(WARMUP, defaults["warmup"])}
    return found(**quick | changed)


def brief(name: str, **changed: Any) -> Method:
    """The same with short codes, trained for two epochs and narrow if it is trained.

    For what does not depend on how well it learned.
    """
    if not issubclass(catalogue.method(name), Descent):
        return of(name, **({"bits": SHORT} if hasattr(of(name), "bits") else {}) | changed)
    narrow = {field: NARROW for field in ("dims", "hidden") if getattr(of(name), field, 0) > NARROW}
    return of(name, **{"epochs": 2, "batch": 2 * FEW, "held_out": 0.0} | narrow | changed)  # two steps over the few


@pytest.fixture(scope="module")
def some(small) -> Pairs:
    return small.train.select(np.arange(SOME))


def told(name: str, pairs: Pairs) -> Pairs:
    """The pairs with half of their labels for a method that learns from some of them, else as they are."""
    if catalogue.method(name).needs != "some labels" or pairs.labels is None:
        return pairs
    return dataclasses.replace(pairs, labels=pairs.labels & (np.arange(pairs.n_images) % 2 == 0)[:, None])


@pytest.fixture(scope="module")
def fitted(some) -> Any:
    """fitted(name): fitted on some of the small world, once."""
    return cache(lambda name: of(name).fit(told(name, some)))


@pytest.fixture(scope="module")
def few(small) -> Pairs:
    return small.train.select(np.arange(FEW))


@pytest.fixture(scope="module")
def barely(few) -> Any:
    """barely(name): `brief`, fitted on few pairs, once."""
    return cache(lambda name: brief(name).fit(told(name, few)))


def outputs(method: Method, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    return method.encode_images(pairs.images), method.encode_texts(pairs.texts)


def each(method: Method, *worlds: Pairs) -> Iterator[np.ndarray]:
    """Outputs as they are asked for."""
    for pairs in worlds:
        yield method.encode_images(pairs.images)
        yield method.encode_texts(pairs.texts)


def same(one: Any, two: Any) -> bool:
    """Whether what two fits learned is equal, bit for bit."""
    if isinstance(one, Fitted):
        return type(one) is type(two) and same(one.learned(), two.learned())
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    return bool(np.array_equal(one, two))


def apart(one: np.ndarray, two: np.ndarray) -> float:
    """The largest difference of two outputs; infinite when their shapes differ."""
    if one.shape != two.shape:
        return np.inf
    return float(np.abs(one.astype(np.float64) - two.astype(np.float64)).max(initial=0.0))


def others(hint: Any, value: Any) -> Iterator[Any]:
    """Other values of a field's type, the likeliest to matter first."""
    for option in typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,):
        if typing.get_origin(option) is typing.Literal:
            yield from (choice for choice in typing.get_args(option) if choice != value)
        elif option is bool:
            yield not value
        elif option is int:
            yield from (n for n in ((value or 0) // 2, 2 * (value or 0), 3, 2) if n not in (0, value))
        elif option is float:
            yield from (x for x in ((value or 0) * 10, (value or 0) / 10, 0.6, 1.0) if x != value)
        elif typing.get_origin(option) is tuple:
            yield tuple(next(others(typing.get_args(option)[0], part)) for part in value)
            yield value[:-1]


def choices(name: str, field: str) -> Iterator[dict[str, Any]]:
    """Every other choice that another field of the method offers."""
    for other, hint in typing.get_type_hints(catalogue.method(name)).items():
        if other != field and typing.get_origin(hint) is typing.Literal:
            yield from ({other: choice} for choice in typing.get_args(hint) if choice != getattr(of(name), other))


def quality(method: Method, pairs: Pairs) -> tuple[float, float]:
    """What it finds and what chance finds: map@all by shared label if it learns from labels, else hit rate at 10.

    Means of both directions, ties by expectation.
    """
    images, texts = outputs(method, pairs)
    if method.needs in ("labels", "some labels"):
        metric, i2t = "map@all", SharedLabels(pairs.labels, pairs.text_labels)
    else:
        metric, i2t = "r@10", Listed(pairs.owner, np.arange(pairs.n_texts), pairs.image_ids, pairs.text_ids)
    found, chance = [], []
    for queries, items, qrels in ((images, texts, i2t), (texts, images, i2t.transposed())):
        values = measures.evaluate([metric], ranking.rankings(queries, method.stored(items), method.space, qrels))
        found.append(measures.summary(metric, values[metric]))
        ties = measures.measure(metric, ranking.rank_scores(np.zeros(qrels.shape), qrels))
        chance.append(measures.summary(metric, ties))
    return float(np.mean(found)), float(np.mean(chance))


def shuffled(pairs: Pairs, seed: int = 0) -> Pairs:
    """The same rows, with pictures, texts and labels torn apart."""
    rng = np.random.default_rng(seed)
    return dataclasses.replace(pairs, owner=rng.permutation(pairs.owner), labels=rng.permutation(pairs.labels))


@pytest.mark.parametrize("name", fitted_of()[:1])
def test_what_is_asked_of_one_method_stays_together(name, request):
    if not request.config.getoption("loadgroup", False):
        pytest.skip("not run with --dist loadgroup")
    assert request.node.nodeid.endswith(f"@{name}")  # else every process fits every method


# ---------------------------------------------------------------------------------------------------------- the file


@pytest.mark.parametrize("name", NAMES)
def test_the_file_opens_with_its_paper_and_year(name):
    facts = catalogue.MethodFacts.of(name)
    assert 1936 <= facts.year <= 2026, facts.paper
    assert facts.needs in typing.get_args(Needs)
    assert facts.space in {space.name for space in (cosine, dot, l2, hamming, sets, tables)}


def code_lines(name: str) -> int:
    """Lines of a method's file that are code: without blank lines, comments and docstrings."""
    source = inspect.getsource(importlib.import_module(catalogue.method(name).__module__))
    lines: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        words = (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        )
        if isinstance(node, ast.stmt) and not words:
            # A compound statement owns its header only; what stands in it is counted by itself.
            body = getattr(node, "body", None)
            lines |= set(range(node.lineno, (body[0].lineno if body else node.end_lineno + 1)))
    return len(lines)


def test_files_are_short():
    lines = {name: code_lines(name) for name in NAMES}
    assert statistics.median(lines.values()) <= MEDIAN_LINES
    assert {name: n for name, n in lines.items() if n > CODE_LINES} == {}


@pytest.mark.parametrize("name", NAMES)
def test_every_field_has_a_default(name):
    assert dataclasses.is_dataclass(catalogue.method(name))
    assert isinstance(catalogue.method(name)(), Method)


# -------------------------------------------------------------------------------------------------------------- fit


@pytest.mark.parametrize(
    ("name", "field"),
    [
        pytest.param(*case.values, field.name, marks=case.marks)
        for case in fitted_of()
        for field in dataclasses.fields(catalogue.method(str(case.values[0])))
        if field.name not in ("patience", "meet")  # of the one loop, and not of a method; test_descent.py holds them
    ],
)
def test_every_field_changes_the_outputs(name, field, small, some, few, fitted, barely):
    """Under the defaults, or where only one of several choices looks at it, under that; of few pairs, else of some."""
    unseen = small.test.select(np.arange(FEW))
    hint = typing.get_type_hints(catalogue.method(name))[field]
    tried = []
    ways = ((brief, barely, few), (of, fitted, some))
    for (begin, once, pairs), under in itertools.product(ways, [{}, *choices(name, field)]):
        shown = told(name, pairs)
        start = begin(name, **under).fit(shown) if under else once(name)
        for value in others(hint, getattr(start, field)):
            try:
                changed = begin(name, **under, **{field: value}).fit(shown)
            except ValueError:  # a value may be refused, as long as one that is not changes something
                continue
            # What was learned from may be all that a field looks at.
            if any(
                apart(*way) > 1e-4
                for way in zip(*(each(made, unseen, shown) for made in (start, changed)), strict=True)
            ):
                return
            tried.append(under | {field: value})
    pytest.fail(f"{name}: {field} changes nothing; tried {tried}")


@pytest.mark.parametrize(
    "name", [case for case in fitted_of() if issubclass(catalogue.method(case.values[0]), Descent)]
)
def test_every_trainable_parameter_is_moved_by_its_loss(name, few):
    import torch

    method = of(name, decay=0.0, held_out=0.0, epochs=2).fit(few)  # decay alone would move them, too
    with torch.random.fork_rng():
        torch.manual_seed(method.seed)
        start = method.network(method.facts_)
    for weight, tensor in start.named_parameters():
        assert not tensor.requires_grad or not np.array_equal(method.weights_[weight], tensor.detach()), weight


@pytest.mark.parametrize(
    "name", [case for case in fitted_of() if issubclass(catalogue.method(case.values[0]), Descent)]
)
def test_it_learns_from_the_smallest_batches_that_it_allows(name, few):
    least = max(bound.least for bound in catalogue.method(name)._bounds("batch"))
    method = brief(name, batch=least).fit(few.select(np.arange(7)))
    assert all(np.isfinite(value).all() for value in outputs(method, few))


@pytest.mark.parametrize(
    "name", [case for case in fitted_of() if issubclass(catalogue.method(case.values[0]), Alternating)]
)
def test_no_step_raises_the_objective_of_those_that_alternate(name, some, fitted):
    for method in (fitted(name), of(name, rounds=4, bits=7, seed=1).fit(some)):
        heights = np.array(method.descent_)
        assert len(heights) == 1 + method.rounds * len(method.steps())
        assert (np.diff(heights) <= 1e-9 * np.abs(heights[1:]) + 1e-13 * np.abs(heights).max()).all()
        assert heights[-1] < heights[0]


@pytest.mark.parametrize("name", fitted_of())
def test_fit_returns_itself_and_repeats_bit_for_bit(name, few, other, barely):
    method = brief(name)
    assert method.fit(other.train.select(np.arange(FEW))) is method
    assert not same(method.learned(), barely(name).learned())
    method.fit(told(name, few))  # forgets the other world
    assert same(method.learned(), barely(name).learned())
    assert same(method.settings(), brief(name).settings())


@pytest.mark.parametrize("name", fitted_of())
def test_it_does_not_write_on_what_it_is_given(name, few):
    images, texts = few.images.copy(), few.texts.copy()
    method = brief(name).fit(few)
    outputs(method, few)
    np.testing.assert_array_equal(few.images, images)
    assert abs(few.texts - texts).max() == 0


# ----------------------------------------------------------------------------------------------------------- encode


@pytest.mark.parametrize("name", fitted_of())
def test_both_sides_live_in_one_space(name, small, fitted):
    method = fitted(name)
    images, texts = outputs(method, small.test)
    assert (len(images), len(texts)) == (small.test.n_images, small.test.n_texts)
    assert images.dtype == texts.dtype
    assert images.shape[-1] == texts.shape[-1] > 0
    if isinstance(method.space, Hamming):
        assert images.dtype == np.uint8
    else:
        assert images.dtype == np.float32
        assert np.isfinite(images).all()
        assert np.isfinite(texts).all()
    if method.space is cosine or isinstance(method.space, Sets):
        norms = np.linalg.norm(np.concatenate([images, texts]), axis=-1)
        np.testing.assert_allclose(norms[norms > 0], 1.0, atol=1e-5)
    scores = method.space.score(images[:7], method.stored(texts[:11]))
    assert scores.shape == (7, 11)
    assert np.ptp(scores) > 0


@pytest.mark.parametrize("name", fitted_of())
def test_one_row_at_a_time_is_the_same_as_all_at_once(name, small, fitted):
    method, test = fitted(name), small.test.select(np.arange(20))
    images, texts = outputs(method, test)
    assert apart(np.concatenate([method.encode_images(test.images[i : i + 1]) for i in range(20)]), images) <= 1e-5
    one_by_one = [method.encode_texts(test.texts[i : i + 1]) for i in range(test.n_texts)]
    assert apart(np.concatenate(one_by_one), texts) <= 1e-5


@pytest.mark.parametrize("name", fitted_of())
def test_no_rows_give_no_rows(name, small, fitted):
    images, texts = outputs(fitted(name), small.test)
    assert fitted(name).encode_images(small.test.images[:0]).shape == (0, *images.shape[1:])
    assert fitted(name).encode_texts(small.test.texts[:0]).shape == (0, *texts.shape[1:])


@pytest.mark.parametrize("name", fitted_of())
def test_sparse_and_dense_texts_are_the_same_to_it(name, small, few, barely):
    dense = dataclasses.replace(few, texts=few.texts.toarray())
    sparse = barely(name)
    from_dense = brief(name).fit(told(name, dense))
    assert apart(sparse.encode_texts(small.test.texts), sparse.encode_texts(small.test.texts.toarray())) <= 1e-5
    unseen = small.test.select(np.arange(50))
    assert quality(from_dense, unseen)[0] == pytest.approx(quality(sparse, unseen)[0], abs=0.02)


# ---------------------------------------------------------------------------------------------------------- keeping

LOAD = """
import sys
from pathlib import Path
import numpy as np
from scipy.sparse import load_npz
from diptych.method import Descent, Method, Needs
home = Path(sys.argv[1])
images, texts = np.load(home / "images.npy"), load_npz(home / "texts.npz")
for name in sys.argv[2:]:
    method = Method.from_pretrained(home / name)
    np.savez(home / f"{name}.npz", images=method.encode_images(images), texts=method.encode_texts(texts))
"""


@pytest.fixture(scope="module")
def loaded(small, barely, tmp_path_factory, request) -> Path:
    """A folder of outputs, `NAME.npz`, written by one new process that read each method asked for from its folder."""
    from scipy.sparse import save_npz

    home = tmp_path_factory.mktemp("kept")
    np.save(home / "images.npy", small.test.images)
    save_npz(home / "texts.npz", small.test.texts)
    tests = [item for item in request.session.items if "loaded" in item.fixturenames]
    names = list(filter(runs, (item.callspec.params["name"] for item in tests)))
    for name in names:
        barely(name).save_pretrained(home / name)
    subprocess.run([sys.executable, "-c", LOAD, str(home), *names], check=True)
    return home


@pytest.mark.parametrize("name", fitted_of(worker="loaded"))
def test_a_new_process_reads_it_and_gives_the_same(name, small, barely, loaded):
    images, texts = outputs(barely(name), small.test)
    with np.load(loaded / f"{name}.npz") as kept:
        np.testing.assert_array_equal(kept["images"], images)
        np.testing.assert_array_equal(kept["texts"], texts)
    assert Method.from_pretrained(loaded / name).settings() == barely(name).settings()
    assert {path.name for path in (loaded / name).rglob("*") if path.is_file()} == {
        "config.json",
        "weights.safetensors",
        "SHA256SUMS",
    }


# ---------------------------------------------------------------------------------------------------------- quality


@pytest.mark.parametrize("name", fitted_of())
def test_it_beats_chance_and_its_own_fit_on_torn_pairs(name, small, some, fitted):
    """By .1 of map@all where it learns from labels (chance .35), else three times in hit rate at 10 (chance .07)."""

    def beaten(found: float, poor: float) -> bool:
        return found > (poor + 0.1 if catalogue.method(name).needs in ("labels", "some labels") else 3 * poor)

    def learned(method: Method, **longer: Any) -> bool:
        found, chance = quality(method, small.test)
        if not beaten(found, chance) or method.needs == "nothing":  # which is not hurt by torn pairs
            return beaten(found, chance)
        return beaten(found, quality(of(name, **longer).fit(shuffled(some)), small.test)[0])

    assert learned(fitted(name)) or (
        hasattr(fitted(name), "epochs") and learned(of(name, epochs=LONGER).fit(some), epochs=LONGER)
    )


# -------------------------------------------------------------------------------------------------------- bad input


def one_line(error: pytest.ExceptionInfo[BadInput]) -> bool:
    return bool(str(error.value)) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", fitted_of())
def test_rows_of_another_width_are_bad_input(name, small, fitted):
    for encode, rows in (
        (fitted(name).encode_images, small.test.images),
        (fitted(name).encode_texts, small.test.texts),
    ):
        with pytest.raises(BadInput, match=str(rows.shape[1] - 1)) as error:
            encode(rows[:, :-1])
        assert one_line(error)


@pytest.mark.parametrize("name", fitted_of())
def test_sets_of_tokens_are_read_or_refused_in_one_line(name, few, barely):
    """Three tokens an item, on either side, to learn from and to encode; and what is neither rows nor sets."""
    rows = {"images": few.images, "texts": few.texts.toarray()}
    sets = {side: np.stack([table, table[::-1], table + 0.1], axis=1) for side, table in rows.items()}
    for changed in ({"images": sets["images"]}, {"texts": sets["texts"]}, sets):
        try:
            outputs(brief(name).fit(dataclasses.replace(few, **changed)), few)
        except BadInput as error:
            assert "\n" not in str(error)
    for encode, side in ((barely(name).encode_images, "images"), (barely(name).encode_texts, "texts")):
        try:
            assert encode(sets[side]).ndim == encode(rows[side]).ndim
        except BadInput as error:
            assert "\n" not in str(error)
        with pytest.raises(BadInput):
            encode(sets[side][:, None])


@pytest.mark.parametrize("name", fitted_of())
def test_no_pairs_are_bad_input(name, small):
    with pytest.raises(BadInput) as error:
        of(name).fit(small.train.select(np.arange(0)))
    assert one_line(error)


@pytest.mark.parametrize("name", fitted_of(("pairs", "labels", "some labels")))
@pytest.mark.parametrize("side", ["images", "texts"])
def test_a_side_that_is_always_the_same_is_bad_input(name, side, small):
    rows = getattr(small.train, side)
    flat = rows[np.zeros(rows.shape[0], dtype=int)]
    with pytest.raises(BadInput, match=f"all {side} have the same features") as error:
        of(name).fit(dataclasses.replace(small.train, **{side: flat}))
    assert one_line(error)


@pytest.mark.parametrize("name", fitted_of(("pairs", "labels", "some labels")))
def test_one_picture_is_bad_input(name, small):
    with pytest.raises(BadInput, match="same") as error:
        of(name).fit(small.train.select(np.arange(1)))
    assert one_line(error)


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_out_of_its_bounds_is_bad_input(name):
    kind = catalogue.method(name)
    outside = {
        AtLeast: lambda bound: bound.least - 1,
        Above: lambda bound: bound.limit,
        Below: lambda bound: bound.limit,
    }
    for field in dataclasses.fields(kind):
        values = ["nan", "inf", "-inf"] if isinstance(field.default, float) else []
        values += [str(outside[type(bound)](bound)) for bound in kind._bounds(field.name) if type(bound) in outside]
        for value in values:
            with pytest.raises(BadInput, match=f"{name}: {field.name} is .*; it has to be ") as error:
                kind.configured({field.name: value})
            assert one_line(error)


@pytest.mark.parametrize("name", [name for name, shelf in catalogue.methods().items() if shelf == "subspace"])
def test_every_number_of_a_closed_form_has_a_bound(name):
    kind = catalogue.method(name)
    for field in dataclasses.fields(kind):
        assert kind._bounds(field.name) or isinstance(field.default, str | bool), field.name


@pytest.mark.parametrize("name", fitted_of(("labels",)))
def test_no_labels_are_bad_input_for_those_that_need_them(name, small):
    for labels in (None, np.zeros_like(small.train.labels)):
        with pytest.raises(BadInput, match="labels") as error:
            of(name).fit(dataclasses.replace(small.train, labels=labels))
        assert one_line(error)


@pytest.mark.parametrize("name", fitted_of(("nothing", "pairs")))
def test_labels_are_not_looked_at_by_those_that_do_not_need_them(name, few, barely):
    blind = brief(name).fit(dataclasses.replace(few, labels=None))
    assert same(blind.learned(), barely(name).learned())


@pytest.mark.parametrize("name", fitted_of())
def test_strings_are_bad_input_where_features_are_wanted(name, small, fitted):
    with pytest.raises(BadInput, match="texts") as error:
        fitted(name).encode_texts(["a dog on a beach"])
    assert one_line(error)
