"""Pictures that an older version read are read again once: its words and its view of them do not outlive it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from collection_world import Palette, album
from PIL import Image

from diptych.collection import Collection
from diptych.sources.metadata.about import Words


@pytest.fixture(autouse=True)
def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    album(tmp_path / "pictures")
    deep = np.full((8, 8), 4000, np.int32)
    deep[0] = 0
    Image.fromarray(deep).save(tmp_path / "pictures" / "deep.tif")
    (tmp_path / "pictures" / "damaged.png").write_bytes(b"no picture")
    return tmp_path / "pictures"


def by_an_older(collection: Collection) -> None:
    """Make it what an older version left: no list, no tags, and something else for every vector."""
    store = collection._store
    with store.transaction():
        store.run("DELETE FROM meta WHERE key = 'readers'")
        store.run("DROP TABLE outdated")


def test_what_an_older_version_read_is_read_again_once_and_encoded_only_where_pixels_may_differ(pictures):
    palette = Palette()
    with Collection.open(pictures / ".diptych", palette, write=True) as collection:
        assert collection.add(pictures).reread == 0 and not collection.read_by_older()
        by_an_older(collection)
        assert collection.read_by_older() and collection.status()["outdated"] == 26
        palette.asked.clear()
        report = collection.add()
        assert (report.reread, report.unchanged, report.updated, report.failed, report.copied) == (25, 24, 1, 1, 0)
        assert [Path(path).name for path in palette.asked] == ["deep.tif"] and report.encoded == 1
        assert not collection.read_by_older() and collection.status()["outdated"] == 0
        palette.asked.clear()
        report = collection.add()
        assert (report.reread, report.unchanged, report.failed, palette.asked) == (0, 25, 1, [])
        assert collection.verify(contents=True) == []


def test_a_run_over_one_folder_leaves_the_others_on_the_list(pictures, tmp_path):
    (tmp_path / "more").mkdir()
    Image.new("RGB", (8, 8), "red").save(tmp_path / "more" / "red.png")
    with Collection.open(tmp_path / "c", Palette(), write=True) as collection:
        collection.add(pictures, tmp_path / "more")
        by_an_older(collection)
        assert collection.add(tmp_path / "more").reread == 1
        assert collection.status()["outdated"] == 26 and not collection.read_by_older()
        assert collection.add().reread == 25 and collection.status()["outdated"] == 0


def test_words_that_an_older_version_did_not_see_are_found(pictures):
    with Collection.open(pictures / ".diptych", Palette(), write=True) as collection:
        collection.add(pictures)
        (id,) = collection.ids(str(pictures / "deep.tif"))
        collection.annotate(id, tags=["given"])
        store = collection._store
        (pictures / "deep.xmp").write_text("<rdf:RDF><rdf:Description dc:subject='dog'/></rdf:RDF>")
        collection.add()
        with store.transaction():  # as if the .xmp had not been understood
            store.put([replace(store.items([id])[0], found=Words())], [False])
        assert collection.get(id).tags == ("given",)
        by_an_older(collection)
        assert collection.add().updated == 1
        assert collection.get(id).tags == ("dog", "given")
