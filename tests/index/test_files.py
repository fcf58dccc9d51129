import json
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest

from diptych.index import choice, files
from diptych.index.flat import Flat
from diptych.index.hamming import Hamming
from diptych.index.index import Index
from diptych.index.ivf import IVF
from diptych.kinds import BadInput, cosine, hamming, l2

ROWS = np.random.default_rng(0).standard_normal((300, 16), dtype=np.float32)


def flat() -> Index:
    index = Flat(l2, 16)
    index.add(np.arange(300)[::-1] * 2, ROWS)
    return index


def ivf() -> Index:
    index = IVF(cosine, 16, cells=8, width=8)
    rows = cosine.normalise(ROWS)
    index.train(rows)
    index.add(np.arange(300)[::-1] * 2, rows)
    index.tune(rows[:50])
    return index


def bits() -> Index:
    index = Hamming(hamming, 2)
    index.add(np.arange(300)[::-1] * 2, hamming.normalise(ROWS))
    return index


KINDS = pytest.mark.parametrize("make", [flat, ivf, bits])


@KINDS
def test_what_is_read_answers_as_what_was_written_and_can_go_on(make: Callable[[], Index], tmp_path: Path) -> None:
    index = make()
    queries = index.space.normalise(ROWS[:20])
    index.save(tmp_path / "i.faiss")
    again = choice.load(tmp_path / "i.faiss")
    assert type(again) is type(index) and len(again) == 300
    told = files.read_facts(tmp_path / "i.faiss")  # by which a later version finds what to read it with
    assert (told["kind"], told["space"]) == {Flat: ("flat", "l2"), IVF: ("ivf", "cosine"), Hamming: ("hamming",) * 2}[
        type(index)
    ]
    if isinstance(index, IVF) and isinstance(again, IVF):
        assert (again.recall, again.probes, again.candidates) == (index.recall, index.probes, index.candidates)
        assert again.drift() == index.drift()
    for each in (index, again):
        each.remove([0, 2, 4])
        each.add([7], queries[:1])
    for mine, other in zip(again.search(queries, 9), index.search(queries, 9), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["i.faiss", "i.faiss.json"]


def test_an_empty_index_comes_back_empty(tmp_path: Path) -> None:
    Flat(cosine, 5).save(tmp_path / "i")
    assert len(Flat.load(tmp_path / "i")) == 0


@KINDS
def test_any_changed_byte_is_a_typed_error_of_one_line(make: Callable[[], Index], tmp_path: Path) -> None:
    path = tmp_path / "i.faiss"
    make().save(path)
    rng = np.random.default_rng(1)
    for file in (path, files.facts_path(path)):
        whole = file.read_bytes()
        for place in rng.choice(len(whole), 150):
            changed = bytearray(whole)
            changed[place] ^= int(rng.integers(1, 256))
            file.write_bytes(changed)
            with pytest.raises(BadInput) as caught:
                choice.load(path)
            assert "\n" not in str(caught.value) and file.name in str(caught.value)
            assert str(caught.value).count("build the index again") == 1, "said once"
        for other in (b"", whole[:-1], whole + b"\0", whole[len(whole) // 2 :]):
            file.write_bytes(other)
            with pytest.raises(BadInput):
                choice.load(path)
        file.unlink()
        with pytest.raises(BadInput, match="build"):
            choice.load(path)
        file.write_bytes(whole)
    assert len(choice.load(path)) == 300


def test_rows_left_on_the_disk_answer_as_those_that_were_read_and_can_go_on(tmp_path: Path) -> None:
    index, path = ivf(), tmp_path / "i.faiss"
    queries = cosine.normalise(ROWS[:20])
    index.save(path)
    written = path.read_bytes()
    mapped = choice.load(path, mapped=True)
    for change in (lambda each: None, lambda each: (each.remove([0, 2, 4]), each.add([7], queries[:1]))):
        for each in (index, mapped):
            change(each)
        for mine, other in zip(mapped.search(queries, 9), index.search(queries, 9), strict=True):
            np.testing.assert_array_equal(mine, other)
    assert path.read_bytes() == written
    mapped.save(path)
    assert sorted(choice.load(path).ids) == sorted(index.ids)


def test_a_changed_byte_is_met_when_the_index_is_loaded_or_when_its_row_is_used(tmp_path: Path) -> None:
    path = tmp_path / "i.faiss"
    ivf().save(path)
    query = cosine.normalise(ROWS[:1])
    whole = path.read_bytes()
    rows = len(whole) - 2 * ROWS.size
    rng = np.random.default_rng(3)
    for place in [rows - 1, rows, len(whole) - 1, *rng.choice(len(whole), 100)]:
        changed = bytearray(whole)
        changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        if place < rows:
            with pytest.raises(files.DamagedIndex):
                choice.load(path, mapped=True)
            continue
        index = choice.load(path, mapped=True)
        with pytest.raises(files.DamagedIndex, match="build the index again"):
            index.search(query, 300)
        with pytest.raises(files.DamagedIndex):
            index.add([7], query)
        spoilt = index.ids[(place - rows) // 32]
        assert spoilt not in index.search(query, 5, among=index.ids[index.ids != spoilt])[1]


def test_a_forged_pair_with_a_right_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "i.faiss"
    ivf().save(path)
    facts, arrays = files.read(path)
    kept = {key: value for key, value in facts.items() if key not in ("arrays", "sha256", "format")}
    other = faiss.IndexFlatL2(16)
    other.add(ROWS)
    cut = arrays["faiss"][: len(arrays["faiss"]) // 2]
    for facts_, arrays_, why in (
        (kept, {**arrays, "faiss": faiss.serialize_index(other)}, "a Faiss IndexFlatL2 where an inverted file"),
        (kept, {**arrays, "faiss": cut}, "does not hold together"),
        (kept, {**arrays, "faiss": np.random.default_rng(2).integers(0, 256, 5000, dtype=np.uint8)}, "hold together"),
        (kept, {**arrays, "row_map": arrays["row_map"][:, :3]}, "maps of shapes"),
        (kept, {**arrays, "step": arrays["step"][:3]}, "maps of shapes"),
        (kept, {key: value for key, value in arrays.items() if key != "mean"}, "'mean'"),
        (kept, {**arrays, "ids": arrays["ids"][:, None]}, r"\(300, 1\) ids and \(300, 16\) rows"),
        (kept, {**arrays, "ids": arrays["ids"].astype(np.float32)}, "ids of float32 and rows of float16"),
        (kept, {**arrays, "rows": arrays["rows"][1:]}, r"\(300,\) ids and \(299, 16\) rows"),
        (kept, {**arrays, "rows": arrays["rows"].astype(np.float32)}, "ids of int64 and rows of float32"),
        (kept, {**arrays, "sums": arrays["sums"][1:]}, r"\(299,\) sums of uint32 for a count of 300"),
        (kept, {**arrays, "sums": arrays["sums"].astype(np.int64)}, r"\(300,\) sums of int64"),
        (kept, {key: value for key, value in arrays.items() if key != "sums"}, "'sums'"),
        ({**kept, "count": 299}, arrays, "not the one that was kept"),
        ({**kept, "space": "sets"}, arrays, "a space named 'sets'"),
        ({**kept, "dims": 17}, arrays, "maps of shapes"),
        ({**kept, "kind": "tree"}, arrays, "an index of kind 'tree'"),
        ({key: value for key, value in kept.items() if key != "probes"}, arrays, "'probes'"),
    ):
        files.write(path, facts_, arrays_)
        for mapped in (False, True):
            with pytest.raises(BadInput, match=why) as caught:
                choice.load(path, mapped)
            assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_a_size_that_the_file_does_not_have_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "i"
    flat().save(path)
    facts = files.read_facts(path)
    facts["arrays"][1][2] = [2**40, 16]
    files.facts_path(path).write_bytes(files._sealed(facts))
    with pytest.raises(BadInput, match="bytes where"):
        Flat.load(path)


def test_another_format_and_another_kind_are_named(tmp_path: Path) -> None:
    path = tmp_path / "i"
    flat().save(path)
    with pytest.raises(BadInput, match="'flat', not 'ivf'"):
        IVF.load(path)
    facts = json.loads(files.facts_path(path).read_bytes())["facts"]
    files.facts_path(path).write_bytes(files._sealed({**facts, "format": 99}))
    with pytest.raises(BadInput, match="format 99"):
        Flat.load(path)


def test_a_failed_save_leaves_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "i"
    flat().save(path)
    before = path.read_bytes()

    def fail(number: int) -> None:
        (new,) = {file.name for file in tmp_path.iterdir()} - {"i", "i.json"}
        assert new.startswith(".i."), "hidden, and it says whose it is"
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space"):
        bits().save(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 2


def test_read_leaves_nothing_on_the_disk_unless_it_is_told_to(tmp_path: Path) -> None:
    flat().save(tmp_path / "an.index")
    whole, left = files.read(tmp_path / "an.index")[1], files.read(tmp_path / "an.index", mapped=True)[1]
    *_, last = whole
    assert whole[last].flags.writeable and not left[last].flags.writeable


def test_an_array_of_a_kind_or_size_that_no_index_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "i"
    flat().save(path)
    for change in (["ids", "int32", [600]], ["ids", "object", [300]], ["ids", "int64", [-300]], ["ids", "int64"]):
        facts = files.read_facts(path)
        whole = facts["arrays"][0]
        facts["arrays"][0] = change
        files.facts_path(path).write_bytes(files._sealed(facts))
        with pytest.raises(files.DamagedIndex, match=f"^{path} is damaged: .*; build the index again"):
            Flat.load(path)
        facts["arrays"][0] = whole
        files.facts_path(path).write_bytes(files._sealed(facts))
    assert len(Flat.load(path)) == 300


@pytest.mark.parametrize("dims", [0, -3])
def test_an_index_of_rows_without_a_column_is_refused(dims: int) -> None:
    for kind, space in ((Flat, cosine), (IVF, cosine), (Hamming, hamming)):
        with pytest.raises(BadInput, match=f"dims: {dims}"):
            kind(space, dims)
