"""What people gave to pictures stays with their content, whatever happens to the names: against a dictionary.

`DIPTYCH_STEPS=2000` makes it long; `DIPTYCH_SEED` repeats a run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from collection_world import Palette
from PIL import Image

from diptych.collection import Collection, waiting

STEPS = int(os.environ.get("DIPTYCH_STEPS", "150"))
SEED = int(os.environ.get("DIPTYCH_SEED", "7"))
FILES = 30

Given = tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, int], ...]]
NOTHING: Given = ((), (), ())


class World:
    """A folder of pictures in which names change all the time, and what was given to each content."""

    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        self.folder, self.rng, self.made, self.trash = folder / "P", rng, 0, folder / "trash"
        self.clock = 1_600_000_000
        self.trash.mkdir()
        for number in range(FILES):
            self.picture(self.path(number))
        self.collection = Collection.open(self.folder / ".diptych", Palette(), write=True)
        self.given: dict[str, Given] = {}
        self.before: dict[Path, str] = {}
        self.ever: set[str] = set()

    def path(self, number: int) -> Path:
        return self.folder / ("a", "b/c", ".")[number % 3] / f"p{number}.bmp"

    def picture(self, path: Path) -> None:
        """A new picture; all of the same number of bytes, so that size tells nothing."""
        self.made += 1
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(self.made).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        self.written(path)

    def written(self, path: Path) -> None:
        """A second later than whatever was written before."""
        self.clock += 1
        os.utime(path, (self.clock, self.clock))

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*.bmp"))

    def some(self, least: int, most: int) -> list[Path]:
        files = self.files()
        n = min(len(files), int(self.rng.integers(least, most + 1)))
        return [files[place] for place in self.rng.choice(len(files), n, replace=False)]

    # ------------------------------------------------------------------------------------------------------- the steps

    def permute(self) -> None:
        """A swap, a longer ring, or a whole folder in another order."""
        old = self.some(2, 9)
        self.rename(dict(zip(old, [*old[1:], old[0]], strict=True)))

    def renumber(self) -> None:
        """Each takes the name of the next; the last takes a new one."""
        old = sorted(self.some(2, 9))
        self.rename(dict(zip(old, [*old[1:], self.free()], strict=True)))

    def rename(self, names: dict[Path, Path]) -> None:
        for path in names:
            path.rename(path.with_suffix(".moving"))
        for path, target in names.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".moving").rename(target)

    def free(self) -> Path:
        return next(path for number in range(1000) if not (path := self.path(number)).exists())

    def copy(self) -> None:
        """One that goes beside another, or in the place of another."""
        for path in self.some(1, 3):
            target = self.free() if self.rng.random() < 0.5 else self.other_than(path)
            shutil.copyfile(path, target)
            self.written(target)

    def other_than(self, path: Path) -> Path:
        return next(other for other in self.some(2, 2) if other != path)

    def copied_and_renamed(self) -> None:
        """A picture takes a new name, and a copy of it the old one."""
        (path,) = self.some(1, 1)
        target = self.free()
        path.rename(target)
        shutil.copy2(target, path)

    def case(self) -> None:
        """Only the case of the name changes."""
        for path in self.some(1, 2):
            target = path.with_name(path.name.swapcase()).with_suffix(".bmp")
            if not target.exists():
                path.rename(target)

    def delete(self) -> None:
        for path in self.some(1, 3):
            path.rename(self.trash / f"{self.digest(path)}.bmp")

    def bring_back(self) -> None:
        """From the trash, under any name."""
        for path in sorted(self.trash.iterdir())[:3]:
            path.rename(self.free())

    def edit(self) -> None:
        for path in self.some(1, 2):
            self.picture(path)

    def edited_and_copied(self) -> None:
        """An edit, and copies of it under a new name and in the place of another picture."""
        (path,) = self.some(1, 1)
        self.picture(path)
        for target in (self.free(), self.other_than(path)):
            shutil.copyfile(path, target)
            self.written(target)

    def add(self) -> None:
        self.picture(self.free())

    # ------------------------------------------------------------------------------------------------------ the oracle

    def digest(self, path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def tag(self) -> None:
        """Give words to some pictures that are there, at their present content."""
        here = {str(path): self.digest(path) for path in self.files()}
        for id in self.rng.choice(self.collection.ids(), 3).tolist():
            path = self.collection.get(id).path
            n = int(self.rng.integers(1000))
            captions, tags, metadata = (f"picture {n} red",), (f"t{n}",), {"stars": n}
            if here.get(path) is None or here[path] != self.before.get(Path(path)):
                continue  # it was changed since the last look, so nobody can mean this content
            self.collection.annotate(id, captions, tags, metadata)
            self.given[here[path]] = (captions, tags, tuple(metadata.items()))

    def look(self) -> None:
        """Bring the collection up to date, and compare every word of it."""
        files = {path: self.digest(path) for path in self.files()}
        content = set(files.values())
        come = Counter(digest for path, digest in files.items() if self.before.get(path) != digest)
        gone = Counter(digest for path, digest in self.before.items() if path not in files)
        either, edited = set(), set()
        for path in sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.stat().st_ctime_ns)):
            # A new content in the place of one that went nowhere else is an edit: the words are of the same picture.
            # Where it was written later, it is a copy of that.
            old, digest = self.before.get(path), files[path]
            if old is not None and digest not in self.ever | edited:
                if come[old] <= gone[old]:
                    self.given[digest] = self.given.get(old, NOTHING)
                    edited.add(digest)
                elif come[old] - gone[old] < sum(self.before[p] == old != files[p] for p in self.before if p in files):
                    either.add((path, digest, old))  # of several copies that are no more, one moved and one was edited
        self.ever |= content
        self.collection.add(self.folder)
        for path, digest, old in either:
            if self.collection.get(self.collection.ids(path)[0]).given.tags == self.given.get(old, NOTHING)[1]:
                self.given[digest] = self.given.get(old, NOTHING)
        self.before = files
        here = {self.collection.get(id).path: self.collection.get(id) for id in self.collection.ids()}
        assert set(here) == {str(path) for path in files}
        for path, digest in files.items():
            item = here[str(path)]
            said = (item.given.captions, item.given.tags, tuple(item.metadata.items()))
            assert item.digest == digest
            assert said == self.given.get(digest, NOTHING), path.name
        away = {some.digest for some in self.collection.waiting()}
        lost = {digest for digest, words in self.given.items() if words != NOTHING} - content
        kept = {some.digest for some in waiting.listed(self.collection._store) if some.says_anything}
        assert away <= lost == kept

    def reopen(self) -> None:
        self.collection.close()
        self.collection = Collection.open(self.folder / ".diptych", Palette(), write=True)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, np.random.default_rng(SEED))
    yield made
    made.collection.close()


def test_words_stay_with_their_pictures_under_any_change_of_names(world: World):
    steps = [world.permute, world.renumber, world.copy, world.copied_and_renamed, world.case, world.delete]
    steps += [world.bring_back, world.edit, world.edited_and_copied, world.add, world.tag, world.look, world.reopen]
    often = np.array([6, 5, 3, 2, 2, 3, 3, 3, 1, 1, 12, 20, 1.0])
    world.look()
    for number in range(STEPS):
        step = steps[int(world.rng.choice(len(steps), p=often / often.sum()))]
        try:
            step()
        except Exception as error:
            raise AssertionError(f"step {number} ({step.__name__}) with DIPTYCH_SEED={SEED}: {error}") from error
    world.look()
    assert world.collection.verify(contents=True) == []
    assert sum(words != NOTHING for words in world.given.values()) > 5
