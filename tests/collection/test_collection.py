"""Folders in, answers out: what is indexed, what is known again, what is found, and why."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from collection_world import COLOURS, Palette, Refusing, album, paint
from PIL import Image

from diptych.collection import Collection, Entry, Locked, OtherEncoder, TooLong, ingest, store
from diptych.collection.search import Hit
from diptych.kinds import BadInput, cosine
from diptych.sources import decoders


@pytest.fixture(autouse=True)
def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few pictures want few workers: starting one is most of what these tests would do."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    album(tmp_path / "pictures")
    return tmp_path / "pictures"


@pytest.fixture
def palette() -> Palette:
    return Palette()


def names(hits: tuple[Hit, ...]) -> list[str]:
    return [Path(hit.path).name for hit in hits]


def begun(pictures: Path, palette: Palette) -> Collection:
    return Collection.open(pictures / ".diptych", palette, write=True)


# ------------------------------------------------------------------------------------------------------------- indexing


def test_a_folder_is_indexed_and_found_by_what_it_shows(pictures, palette):
    with begun(pictures, palette) as collection:
        report = collection.add(pictures)
        assert (report.added, report.encoded, report.failed) == (24, 24, 0)
        assert len(collection) == 24
        for colour in COLOURS:
            found = collection.search(colour, k=3, keywords=0)
            assert all(
                np.argmin([np.abs(np.subtract(rgb, mean(hit))).sum() for rgb in COLOURS.values()])
                == list(COLOURS).index(colour)
                for hit in found.results
            ), colour
        assert collection.verify(contents=True) == []


def mean(hit: Hit) -> np.ndarray:
    return np.asarray(Image.open(hit.path).convert("RGB"), dtype=float).mean(axis=(0, 1))


def test_the_order_and_the_scores_are_those_of_an_exact_search(pictures, palette):
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        paths = [hit.path for hit in collection.search("red", k=24, keywords=0).results]
        scores = [hit.score for hit in collection.search("red", k=24, keywords=0).results]
        own = palette.encode_texts(["red"]) @ palette.encode_images(paths).T
        assert scores == pytest.approx(own[0].tolist(), abs=1e-6) and scores == sorted(scores, reverse=True)
        pages = [collection.search("red", k=5, offset=start, keywords=0).results for start in range(0, 24, 5)]
        assert [hit.path for page in pages for hit in page] == paths


def test_nothing_is_read_again_when_nothing_changed(pictures, palette):
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        palette.asked.clear()
        report = collection.add()
        assert (report.unchanged, report.added, report.updated, palette.asked) == (24, 0, 0, [])


def test_a_touched_file_keeps_its_vector_and_a_changed_one_gets_another(pictures, palette):
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        (id,) = collection.ids(pictures / "0" / "000.png")
        palette.asked.clear()
        os.utime(pictures / "0" / "000.png", (1, 1))
        assert collection.add(pictures).updated == 1 and palette.asked == []
        paint(pictures / "0" / "000.png", "blue", 99)
        assert collection.add(pictures).updated == 1 and len(palette.asked) == 1
        assert collection.ids(pictures / "0" / "000.png") == [id]
        assert id in [hit.id for hit in collection.search("blue", k=4, keywords=0).results]
        assert id not in [hit.id for hit in collection.search("red", k=2, keywords=0).results]


def test_a_renamed_picture_keeps_id_tags_and_vector_and_a_copy_costs_no_encoding(pictures, palette):
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        (id,) = collection.ids(pictures / "1" / "001.png")
        collection.annotate(id, tags=["family"], captions=["our garden"])
        palette.asked.clear()
        (pictures / "1" / "001.png").rename(pictures / "2" / "garden.png")
        (pictures / "1" / "001.txt").unlink()
        shutil.copy(pictures / "0" / "000.png", pictures / "copy.png")
        report = collection.add(pictures)
        assert (report.renamed, report.added, report.removed, report.copied) == (1, 1, 0, 1)
        assert palette.asked == []
        item = collection.get(id)
        assert (Path(item.path).name, item.tags, item.captions) == ("garden.png", ("family",), ("our garden",))
        assert collection.verify() == []


def test_two_that_swap_their_names_swap_their_vectors(pictures, palette):
    red, green = pictures / "0" / "000.png", pictures / "1" / "001.png"
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        red.rename(pictures / "x")
        green.rename(red)
        (pictures / "x").rename(green)
        os.utime(red, (5, 5))
        os.utime(green, (6, 6))
        collection.add(pictures)
        assert collection.ids(red)[0] in [hit.id for hit in collection.search("green", k=3, keywords=0).results]
        assert collection.ids(green)[0] in [hit.id for hit in collection.search("red", k=3, keywords=0).results]
        assert collection.verify(contents=True) == []


def test_pictures_that_are_gone_are_removed_and_a_disk_that_is_not_mounted_removes_nothing(pictures, palette):
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        (pictures / "0" / "000.png").unlink()
        assert collection.add(pictures).removed == 1 and len(collection) == 23
    away = pictures.with_name("away")
    pictures.rename(away)
    with Collection.open(away / ".diptych", palette, write=True) as collection:
        with pytest.raises(BadInput, match="no such folder"):
            collection.add(pictures)
        pictures.mkdir()
        assert len(collection) == 23
    # The same with a collection that lies elsewhere: the empty place where a disk was is no deletion.
    pictures.rmdir()
    away.rename(pictures)
    shutil.rmtree(pictures / ".diptych")
    with Collection.open(pictures.with_name("elsewhere"), palette, write=True) as collection:
        collection.add(pictures)
        pictures.rename(away)
        pictures.mkdir()
        with pytest.raises(BadInput, match="no picture in it now, and 23 are indexed from there"):
            collection.add(pictures)
        assert len(collection) == 23
        assert collection.forget(pictures).removed == 23 and len(collection) == 0


def test_a_folder_moves_with_its_collection(pictures, palette):
    with begun(pictures, palette) as collection:
        collection.add(pictures)
    moved = pictures.rename(pictures.with_name("moved"))
    palette.asked.clear()
    with Collection.open(moved / ".diptych", palette, write=True) as collection:
        assert Path(collection.search("red", k=1).results[0].path).is_relative_to(moved)
        assert collection.add(moved).unchanged == 24 and palette.asked == []


def test_one_folder_says_nothing_about_another(tmp_path, palette):
    album(tmp_path / "a", 6)
    album(tmp_path / "ab", 6)
    with Collection.open(tmp_path / "collection", palette, write=True) as collection:
        collection.add(tmp_path / "a")
        report = collection.add(tmp_path / "ab")
        assert report.removed == 0 and len(collection) == 12
        assert collection.status()["folders"] == [str(tmp_path / "a"), str(tmp_path / "ab")]
        assert collection.add().unchanged == 12
        assert collection.forget(tmp_path / "a").removed == 6


def test_what_is_still_being_written_waits_until_two_looks_find_it_the_same(pictures, palette, monkeypatch):
    whole = paint(pictures.parent / "elsewhere.png", "red", size=(200, 200)).read_bytes()
    parts = [whole[start : start + 100] for start in range(0, len(whole), 100)]
    assert len(parts) > 2
    looks = []
    wait = time.sleep

    def sleep(seconds):
        if seconds < 2:
            return wait(seconds)
        looks.append(len(parts))
        if parts:
            with open(pictures / "grows.png", "ab") as growing:
                growing.write(parts.pop(0))

    monkeypatch.setattr(time, "sleep", sleep)
    with Collection.open(pictures / ".diptych", palette, write=True) as collection:
        watching = collection.watch(pictures)
        assert next(watching).added == 24
        assert next(watching).added == 1
        assert looks == [*range(looks[0], -1, -1)], "one look finds the whole of it, and only the next adds it"


def test_what_does_not_decode_is_reported_and_the_rest_is_indexed(pictures, palette):
    (pictures / "broken.png").write_bytes(b"nothing")
    (pictures / "empty.jpg").touch()
    (pictures / "escape.png").symlink_to("/etc/hostname")
    with begun(pictures, palette) as collection:
        report = collection.add(pictures)
        assert (report.added, report.failed) == (24, 3)
        told = {Path(path).name: why for path, why in collection.failures()}
        assert set(told) == {"broken.png", "empty.jpg", "escape.png"}
        assert "not a picture" in told["broken.png"] and "leads out of the folder" in told["escape.png"]
        assert len(collection.add(pictures).failures) == 3 and collection.verify() == []
        paint(pictures / "broken.png", "red")
        assert collection.add(pictures).failed == 2 and len(collection) == 25


def test_what_failed_for_want_of_time_is_tried_again_by_the_next_run_but_not_by_every_look(
    pictures, palette, monkeypatch
):
    slow, late, asked = str(min(pictures.rglob("*.png"))), [True], []
    ask = decoders._Worker.ask

    def some_late(worker, files, how):
        for file in files:
            asked.append(file[0])
            if file[0] == slow and late:
                worker.end()
                worker.why = decoders._LATE
                return
            yield from ask(worker, [file], how)

    monkeypatch.setattr(decoders._Worker, "ask", some_late)
    with begun(pictures, palette) as collection:
        first = collection.add(pictures)
        assert (first.added, first.failed, first.newly_failed) == (23, 1, 1) and "20 s" in dict(first.failures)[slow]
        asked.clear()
        again = collection.add(pictures)
        assert (again.failed, again.newly_failed, again.changes) == (1, 0, 0) and asked == [slow]
        asked.clear()
        seen = {}
        for _ in range(3):
            looked = ingest.add(collection._vectors, collection._encoding, [pictures], seen=seen)
            assert looked.failed == 1 and not asked, "that would be 20 s every two seconds"
        os.utime(slow, ns=(1, 1))
        for _ in range(2):
            ingest.add(collection._vectors, collection._encoding, [pictures], seen=seen)
        assert asked == [slow], "it changed"
        late.clear()
        well = collection.add(pictures)
        assert (well.failed, len(collection)) == (0, 24)
        asked.clear()
        assert collection.add(pictures).unchanged == 24 and not asked


def test_a_picture_beyond_the_encoder_costs_itself_alone(pictures):
    paint(pictures / "cursed.png", "red", 77)
    with begun(pictures, Refusing()) as collection:
        report = collection.add(pictures)
        assert report.added == 24
        assert report.failures == [(str(pictures / "cursed.png"), "this one I cannot see")]


def test_an_encoder_that_is_broken_is_not_blamed_on_the_pictures(pictures, palette, monkeypatch):
    def broken(items):
        raise BadInput("weights are not there")

    monkeypatch.setattr(palette, "encode_images", broken)
    with begun(pictures, palette) as collection:
        with pytest.raises(BadInput, match="weights are not there"):
            collection.add(pictures)
        assert len(collection) == 0 and collection.failures() == []


def test_exif_and_words_beside_and_inside_are_kept_and_asked_for(tmp_path, palette):
    exif = Image.Exif()
    exif[0x0110] = "X100V"
    exif.get_ifd(0x8769)[0x9003] = "2020:05:01 12:30:15"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.6), 3: "E", 4: (2.0, 17.0, 40.2)})
    path = paint(tmp_path / "p" / "a.jpg", "red", exif=exif)
    path.with_suffix(".txt").write_text("two dogs\n")
    path.with_suffix(".xmp").write_text(
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        "<rdf:Description><dc:subject><rdf:Bag><rdf:li>family</rdf:li></rdf:Bag></dc:subject></rdf:Description></rdf:RDF>"
    )
    paint(tmp_path / "p" / "b.jpg", "red", 1)
    with Collection.open(tmp_path / "c", palette, write=True) as collection:
        collection.add(tmp_path / "p")
        (id,) = collection.ids(path)
        item = collection.get(id)
        assert (item.taken, item.camera, item.captions, item.tags) == (
            "2020-05-01T12:30:15",
            "X100V",
            ("two dogs",),
            ("family",),
        )
        for query in (
            "red year = 2020",
            'camera = "x100v"',
            "tag:family",
            "near(48.85, 2.35, 20km)",
            'caption ~ "dogs"',
        ):
            answer = collection.search(query)
            assert [hit.id for hit in answer.results] == [id], query
            assert any(
                query.removeprefix("red ").split()[0].split("(")[0].split(":")[0] in why
                for why in answer.results[0].why
            )
        assert len(collection.search("NOT tag:family").results) == 1
        # Words change, the picture does not: it is not encoded again.
        palette.asked.clear()
        path.with_suffix(".txt").write_text("three cats\n")
        assert collection.add(tmp_path / "p").updated == 1 and palette.asked == []
        assert collection.get(id).captions == ("three cats",)
        assert [hit.id for hit in collection.search("cats").results][:1] == [id]
        assert "said of it: cats" in collection.search("cats").results[0].why
        path.with_suffix(".txt").unlink()
        collection.add(tmp_path / "p")
        assert collection.get(id).captions == () and collection.verify() == []


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_file_of_captions_gives_them_and_outlives_the_next_run(pictures, palette, form, tmp_path):
    file = tmp_path / f"words.{form}"
    if form == "jsonl":
        lines = [
            {"image": "0/000.png", "captions": ["our dog"], "labels": ["pet"]},
            {"image": "no.png", "caption": "x"},
        ]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        file.write_text("image,caption,labels\n0/000.png,our dog,pet\nno.png,x,\n")
    with begun(pictures, palette) as collection:
        report = collection.add(pictures, captions=file)
        assert (report.captioned, report.unmatched) == (1, 1)
        collection.add(pictures)
        (id,) = collection.ids(pictures / "0" / "000.png")
        assert (collection.get(id).captions, collection.get(id).tags) == (("our dog",), ("pet",))
        assert collection.captions(id, 1, among=["red thing", "blue thing"])[0][0] == "red thing"
        assert collection.add(pictures, captions=file).captioned == 0
        assert collection.verify() == []


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIF"])
def test_every_form_of_picture_is_read(tmp_path, palette, form):
    if form == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    ending = {"JPEG": "jpg", "TIFF": "tif", "HEIF": "heic"}.get(form, form.lower())
    try:
        paint(tmp_path / "p" / f"a.{ending}", "red", size=(64, 48), format=form)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow writes no {form}")
    with Collection.open(tmp_path / "c", palette, write=True) as collection:
        assert collection.add(tmp_path / "p").failures == []
        assert collection.search("red").results[0].score > 0.9


def test_progress_counts_to_the_end(pictures, palette):
    told = []
    with begun(pictures, palette) as collection:
        collection.add(pictures, progress=lambda *what: told.append(what))
    assert told[-1] == ("pictures", 24, 24) and [done for _, done, _ in told] == sorted(done for _, done, _ in told)


# ------------------------------------------------------------------------------------------------------------ questions


def test_not_takes_out_what_shows_it_and_minus_pushes_away(pictures, palette):
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        reds = {hit.id for hit in collection.search("red", k=3, keywords=0).results}
        assert not reds & {hit.id for hit in collection.search("orange NOT red", k=24).results}
        assert not reds & {hit.id for hit in collection.search("NOT red", k=24).results}
        both = collection.search("red + blue - green", k=24, keywords=0).results
        rows = palette.encode_images([hit.path for hit in both])
        wanted = cosine.normalise(np.array([1, 1, -1]) @ palette.encode_texts(["red", "blue", "green"]))
        assert [hit.score for hit in both] == pytest.approx((rows @ wanted).tolist(), abs=1e-5)
        heavy = collection.search('"3:blue" + red', k=1, keywords=0).results[0]
        assert heavy.score != collection.search("blue + red", k=1, keywords=0).results[0].score


def test_pictures_and_items_are_terms_and_a_picture_finds_itself(pictures, palette):
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        for id in collection.ids():
            path = collection.get(id).path
            assert collection.search(f'"{path}"', k=1).results[0].score == pytest.approx(1, abs=1e-5)
            assert id not in [hit.id for hit in collection.similar(id, k=24).results]
        palette.asked.clear()
        shutil.copy(path, pictures.parent / "same content.png")
        assert collection.search(f'"{pictures.parent / "same content.png"}"', k=1).results and palette.asked == []
        assert collection.search(f"#{id}", k=1).results[0].score == pytest.approx(1, abs=1e-5)
        with pytest.raises(BadInput, match="no item #999"):
            collection.search("#999")
        with pytest.raises(BadInput, match=r"nowhere\.jpg: no such file"):
            collection.search("./nowhere.jpg")


def test_keywords_bring_what_is_said_to_the_front_and_can_be_left_out(pictures, palette):
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        (id,) = collection.ids(pictures / "0" / "000.png")
        collection.annotate(id, captions=["Grandmother's armchairs"])
        assert collection.search("grandmother armchair").results[0].id == id  # stems, and the ' of a genitive
        assert collection.search("grandmother armchair", k=1).verdict == "match"
        (named,) = collection.ids(pictures / "1" / "004.png")
        assert collection.search("004").results[0].id == named
        alone = collection.search("blue grandmother", k=24, keywords=0).results
        assert [hit.score for hit in alone] == sorted((hit.score for hit in alone), reverse=True)
        # What an attacker may write into a query is words, not operators of the full-text index.
        for query in ('"NEAR(a b)"', '"a* OR b"', '"captions:x"', "'; DROP TABLE items", '"\\"\\""'):
            collection.search(query)


def test_diverse_answers_are_less_alike_and_begin_with_the_best(pictures, palette):
    with begun(pictures, palette) as collection:
        collection.add(pictures)

        def alike(hits):
            rows = palette.encode_images([hit.path for hit in hits])
            return (rows @ rows.T)[np.triu_indices(len(hits), 1)].mean()

        plain, diverse = (collection.search("red", k=5, diverse=weight, keywords=0).results for weight in (0.0, 0.6))
        assert plain[0].id == diverse[0].id and alike(diverse) < alike(plain) - 0.1


def test_captions_of_a_picture_are_the_nearest_of_all(pictures, palette):
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        (id,) = collection.ids(pictures / "1" / "001.png")
        found = collection.captions(id, 3)
        assert all("green" in text for text, _ in found) and len({text for text, _ in found}) == 3
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"k": 0}, "k: 0"), ({"offset": -1}, "offset"), ({"diverse": 2.0}, "diverse"), ({"keywords": -0.1}, "keywords")],
)
def test_what_cannot_be_asked_is_said_in_one_line(pictures, palette, wrong, message):
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        with pytest.raises(BadInput, match=message):
            collection.search("red", **wrong)
        with pytest.raises(BadInput, match="column"):
            collection.search("red AND AND")


def test_an_empty_collection_answers_with_nothing(tmp_path, palette):
    with Collection.open(tmp_path / "c", palette, write=True) as collection:
        answer = collection.search("red")
        assert (answer.results, answer.verdict) == ((), "none")
        assert collection.duplicates().groups == () and collection.verify() == []
        with pytest.raises(BadInput, match="nothing to index yet"):
            collection.add()


# --------------------------------------------------------------------------------------------- one writer, many readers


def test_a_second_writer_gets_a_lock_error_that_names_the_first(pictures, palette):
    with begun(pictures, palette):
        script = "import sys; from diptych.collection import Collection; Collection.open(sys.argv[1], write=True)"
        told = subprocess.run([sys.executable, "-c", script, pictures / ".diptych"], capture_output=True, text=True)
        assert f"Locked: {pictures / '.diptych'}: process {os.getpid()} is writing to it" in told.stderr
        with pytest.raises(Locked):
            Collection.open(pictures / ".diptych", palette, write=True)
    with begun(pictures, palette):
        pass


def test_a_reader_sees_one_state_while_a_writer_commits_and_the_new_one_next(pictures, palette):
    with begun(pictures, palette) as writer:
        writer.add(pictures)
        with Collection.open(pictures / ".diptych", palette) as reader:
            with reader._reading():
                before = [hit.id for hit in reader.search("red", k=24).results]
                writer.remove(writer.ids()[:5])
                assert [hit.id for hit in reader.search("red", k=24).results] == before and len(reader) == 24
            assert len(reader.search("red", k=24).results) == len(reader) == 19
            writer.add(pictures)
            assert len(reader.search("red", k=24).results) == 24
            with pytest.raises(BadInput, match="open for reading"):
                reader.remove([1])


def test_a_folder_that_cannot_be_written_is_named(palette, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="not writable"):
        Collection.open(tmp_path / "file" / "c", palette, write=True)
    with pytest.raises(BadInput, match="no collection in it"):
        Collection.open(tmp_path / "nothing", palette)


def test_a_full_disk_is_said_and_nothing_acknowledged_is_lost(pictures, palette):
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        before = collection.search("red", k=24)
        pages = collection._store.rows("PRAGMA page_count")[0][0]
        collection._store.rows(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(BadInput, match="no room on the disk"):
            collection.put(
                Entry(f"new {number}", np.eye(16, dtype=np.float32)[number % 16], ["words " * 200])
                for number in range(500)
            )
        assert collection.search("red", k=24).results == before.results
    with Collection.open(pictures / ".diptych", palette) as collection:
        assert collection.search("red", k=24).results == before.results and collection.verify() == []


# ----------------------------------------------------------------------------------------------- where vectors are from


def test_another_encoder_is_refused_with_the_command_that_mends_it(pictures, palette):
    with begun(pictures, palette) as collection:
        collection.add(pictures)
    with pytest.raises(OtherEncoder, match=r"diptych reindex --model MODEL --collection \S+\.diptych"):
        Collection.open(pictures / ".diptych", Palette(scale=2.0))
    with (
        Collection.open(pictures / ".diptych") as collection,
        pytest.raises(BadInput, match="was not loaded from a folder"),
    ):
        collection.search("red")


def test_reindex_takes_another_encoder_over_and_open_readers_follow(pictures, palette):
    other = Palette(scale=-1.0)  # everything is turned around
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        reader = Collection.open(pictures / ".diptych", palette)
        assert reader.search("red", k=1).results
        collection.reindex(other)
        assert len(other.asked) == 24 and collection.verify() == []
        ids = [hit.id for hit in collection.search("red", k=24, keywords=0).results]
        assert ids == [
            hit.id for hit in Collection.open(pictures / ".diptych", other).search("red", k=24, keywords=0).results
        ]
        with pytest.raises(BadInput, match="give it"):
            reader.search("red", k=1)
        reader.close()
        with pytest.raises(OtherEncoder):
            Collection.open(pictures / ".diptych", palette)


def test_a_reindex_that_was_stopped_goes_on_where_it_was(pictures, palette, monkeypatch):
    other = Palette(scale=2.0)
    monkeypatch.setattr("diptych.collection.exchange.BATCH", 4)
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        before = collection.search("red", k=24).results

        def stop(what, done, of):
            if done >= 12:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            collection.reindex(other, progress=stop)
        assert collection.search("red", k=24).results == before
        collection.reindex(other)
        assert len(other.asked) == 24 and collection.verify() == []


def test_the_version_of_the_file_is_checked_and_an_older_one_brought_up_to_date(pictures, palette, monkeypatch):
    with begun(pictures, palette) as collection:
        collection.add(pictures)
    here = len(store.SCHEMA)
    more = (*store.SCHEMA, "ALTER TABLE items ADD COLUMN stars INTEGER")
    with monkeypatch.context() as newer:
        newer.setattr(store, "SCHEMA", more)
        with pytest.raises(BadInput, match=f"has version {here}; update it: diptych reindex --collection"):
            Collection.open(pictures / ".diptych", palette)
        with begun(pictures, palette) as collection:
            assert len(collection) == 24 and collection._store.rows("SELECT count(stars) FROM items") == [(0,)]
            assert collection.verify() == []
    with pytest.raises(BadInput, match=f"version {here + 1}, and this Diptych knows versions up to {here}; update it"):
        begun(pictures, palette)


def test_a_file_of_another_program_is_left_alone(tmp_path, palette):
    (tmp_path / "c").mkdir()
    with sqlite3.connect(tmp_path / "c" / "diptych.db") as other:
        other.execute("CREATE TABLE precious (x)")
    with pytest.raises(BadInput, match="file of another program"):
        Collection.open(tmp_path / "c", palette, write=True)


# ------------------------------------------------------------------------------------------------------- there and back


@pytest.mark.parametrize("form", ["all.jsonl", "all.parquet", "shards"])
def test_what_is_exported_comes_back_the_same(pictures, palette, tmp_path, form):
    if form != "all.jsonl":
        pytest.importorskip("pyarrow")
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        collection.annotate(2, captions=["given"], tags=["a", "b"], metadata={"stars": 5, "by": "me", "f": 0.5})
        assert collection.export(tmp_path / form) == 24
        with pytest.raises(BadInput, match="there already"):
            collection.export(tmp_path / form)
        with Collection.open(tmp_path / "other", palette, write=True) as other:
            palette.asked.clear()
            assert other.import_(tmp_path / form) == 24 and palette.asked == []
            assert other.verify() == []
            for query in ("red", "green + yellow", "stars = 5", "tag:a AND by = me"):
                assert [(hit.path, hit.score) for hit in other.search(query, k=24, keywords=0).results] == [
                    (hit.path, pytest.approx(hit.score)) for hit in collection.search(query, k=24, keywords=0).results
                ]
            assert set(other.get(other.ids(collection.get(2).path)[0]).captions) == set(collection.get(2).captions)
            assert other.import_(tmp_path / form) == 24 and len(other) == 24
    with Collection.open(tmp_path / "third", Palette(scale=3.0), write=True) as third, pytest.raises(OtherEncoder):
        third.import_(tmp_path / form)


def test_shards_are_laid_out_as_clip_retrieval_does(pictures, palette, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        collection.export(tmp_path / "shards")
    rows = np.load(tmp_path / "shards" / "img_emb" / "img_emb_0.npy")
    table = parquet.read_table(tmp_path / "shards" / "metadata" / "metadata_0.parquet").to_pydict()
    assert np.allclose(rows, palette.encode_images(table["image_path"]), atol=1e-6)
    assert table["caption"][1].startswith("a ") or table["caption"][0].startswith("a ")


def test_a_backup_taken_while_open_is_a_collection(pictures, palette, tmp_path):
    with begun(pictures, palette) as collection:
        collection.add(pictures)
        answer = collection.search("red", k=24)
        collection.backup(tmp_path / "backup")
        collection.remove(collection.ids())
        with pytest.raises(BadInput, match="there already"):
            collection.backup(tmp_path / "backup")
    with Collection.open(tmp_path / "backup", palette) as copy:
        assert copy.search("red", k=24).results == answer.results and copy.verify(contents=True) == []


def test_given_rows_are_checked(tmp_path, palette):
    with Collection.open(tmp_path / "c", palette, write=True) as collection:
        for row in (np.ones(3, np.float32), np.full(16, np.nan, np.float32), np.ones(16, np.uint8)):
            with pytest.raises(BadInput, match="row"):
                collection.put([Entry("a", row)])
        with pytest.raises(BadInput, match="needs a row"):
            collection.put([Entry("a")])
        with pytest.raises(BadInput, match="neither a text nor a finite number"):
            collection.put([Entry("a", np.ones(16, np.float32), metadata={"x": float("nan")})])
        with pytest.raises(BadInput, match="half of a character"):
            collection.put([Entry("a", np.ones(16, np.float32), ["\ud800"])])
        with pytest.raises(BadInput, match="stands twice"):
            collection.put([Entry("a", np.ones(16, np.float32))] * 2)
        assert len(collection) == 0


ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def test_what_takes_too_long_is_stopped_and_the_next_query_is_answered(tmp_path):
    album(tmp_path / "pictures", 3)
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.add(tmp_path / "pictures")
        with pytest.raises(TooLong, match="takes too long; ask for less"), collection.within(0.01):
            collection._store.rows(ENDLESS)
        with collection.within(60):
            assert len(collection.search("red").results) == 3
        assert len(collection.search("red", where="width > 1").results) == 3, "no limit stays behind"
        with pytest.raises(BadInput, match="closed"), collection.within(60):
            collection.close()
            collection.search("red")
