"""Text that strangers type: taken as it is, and no file is opened for it that nobody allowed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from collection_world import COLOURS, Palette, album, paint

from diptych.collection import Allowed, Collection
from diptych.kinds import BadInput

SEED = 11

TYPED = [
    "what's 5 > 3?",
    '6" pot',
    "dog (brown)",
    "#1 dad mug",
    "#1",
    "IMG_0012.jpg",
    "/etc/passwd",
    "~root/.ssh/id_rsa",
    "~nobody-of-this-name/x",
    "./red.png",
    "../../../etc/hosts",
    "AND OR NOT",
    "NOT NOT (",
    "year >= cat",
    "dog -people",
    "tag:",
    "near(1,2)",
    "100% cotton; DROP TABLE items; --",
    '"',
    "'",
    "\\",
    "",
    "   \t\n ",
    "\0",
    "red\0blue",
    "\ud800 half",
    "🐈" * 50,
    "e\u0301" * 100,
    "a " * 9000,
    "dog " * 2000,
    " ".join(f"w{number}" for number in range(3000)),
    '" OR captions : *',
    "NEAR(a b)",
    "red*",
    "{red} ^red",
    "file:///etc/passwd",
    "\u202ered",
]

opened: list[str] = []
watching = False


def hook(event: str, arguments: tuple[object, ...]) -> None:
    if watching and event in ("open", "os.listdir", "os.scandir", "subprocess.Popen"):
        opened.append(str(arguments[0]))


sys.addaudithook(hook)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    home = tmp_path_factory.mktemp("world")
    album(home / "photos", 24)
    with Collection.open(home / "c", Palette(), write=True) as collection:
        collection.add(home / "photos")
        collection.search("red")  # what is loaded once is loaded
        yield collection


@pytest.fixture
def files(collection: Collection) -> Iterator[list[str]]:
    """What is opened while the test runs."""
    global watching
    opened.clear()
    watching = True
    yield opened
    watching = False


def generated(seed: int, n: int) -> Iterator[str]:
    """Pieces of what people type, of the query language, of paths and of every plane of Unicode, put together."""
    random = np.random.default_rng(seed)
    pieces = [*TYPED, *COLOURS, "(", ")", '"', ">", "<=", "~", "+", "-", ":", "/", "2:", "#3", "NOT", "caption ~", "\0"]
    for _ in range(n):
        parts = [
            str(random.choice(pieces)) if random.random() < 0.7 else strange(random)
            for _ in range(random.integers(1, 7))
        ]
        yield str(random.choice(["", " ", "  "])).join(parts)


def strange(random: np.random.Generator) -> str:
    return "".join(chr(int(sign)) for sign in random.integers(0, 0x110000, int(random.integers(1, 9))))


def test_no_text_of_a_stranger_is_an_error_or_opens_a_file(collection, files, monkeypatch):
    monkeypatch.chdir(collection.get(1).path.rpartition("/")[0])
    texts = [*TYPED, *generated(SEED, 500)]
    for text in texts:
        answer = collection.search(text, k=3, language="plain", pictures=Allowed())
        assert len(answer.results) == 3 and answer.hints == (), text
    assert files == []


def test_plain_text_is_words_and_nothing_else(collection):
    red = [hit.id for hit in collection.search("red").results]
    assert [hit.id for hit in collection.search("red", language="plain").results] == red
    for text in ("#1", "red - blue", "NOT red", "year > 1"):
        answer = collection.search(text, language="plain", keywords=0)
        row = Palette().encode_texts([" ".join(text.split())])
        assert answer.results[0].score == pytest.approx(
            float((row @ Palette().encode_images([answer.results[0].path]).T)[0, 0]), abs=1e-5
        )
        assert answer.query == text and answer.total == 24
    assert collection.search("  ", language="plain", where="caption ~ green").total == 3
    with pytest.raises(BadInput, match="there are: query, plain"):
        collection.search("red", language="french")


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A picture that may be opened and one that may not."""
    return paint(tmp_path / "may" / "deep" / "red.png", "red"), paint(tmp_path / "secret" / "blue.png", "blue")


def test_the_language_opens_pictures_only_where_it_is_allowed(collection, places, files):
    may, secret = places
    allowed = Allowed([may.parents[1]])
    assert collection.search(str(may), pictures=allowed).results
    for query in (
        str(secret),
        f"red - {secret}",
        f"red NOT {secret}",
        f'"2:{secret}"',
        f"{may.parent}/../../secret/blue.png",
    ):
        with pytest.raises(BadInput, match="may not be opened here"):
            collection.search(query, pictures=allowed)
    with pytest.raises(BadInput, match="may not be opened here"):
        collection.region(1, f"red - {secret}", allowed)
    link = may.parent / "link.png"
    link.symlink_to(secret)
    with pytest.raises(BadInput, match="may not be opened here"):
        collection.search(str(link), pictures=allowed)
    assert str(may) in files and not any("secret" in name for name in files)
    assert collection.search(str(secret)).results == collection.search(str(secret), pictures=Allowed.ANYTHING).results


def test_the_refusal_does_not_tell_whether_a_file_is_there(collection, places, files):
    _, secret = places
    told = set()
    for path in (
        str(secret),
        str(secret).replace("blue", "none"),
        "/etc/passwd",
        "/etc/not there",
        "~root/x.png",
        "~/x.png",
        "./a\0.png",
    ):
        for allowed in (Allowed(), Allowed([secret.parents[1] / "may"])):
            with pytest.raises(BadInput) as caught:
                collection.search(f'"{path}"', pictures=allowed)
            told.add(str(caught.value).replace(repr(path)[:60], "PATH"))
    assert len(told) == 1 and files == []


@pytest.mark.parametrize("folders", ["/photos", 5, [5], [""], b"/x"])
def test_what_may_be_opened_is_a_list_of_folders(collection, folders):
    with pytest.raises(BadInput):
        Allowed(folders)
    with pytest.raises(BadInput, match="Allowed"):
        collection.search("red", pictures=folders)
