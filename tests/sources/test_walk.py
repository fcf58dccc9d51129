import os
from pathlib import Path

import pytest
from PIL import Image

from diptych.kinds import BadInput
from diptych.sources.ignore import FILE
from diptych.sources.walk import not_unicode, passed_over, pictures, walk


def touch(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(tree, root):
    return [os.path.relpath(file.path, root) for file in tree.files]


def test_pictures_are_found_in_the_order_of_their_paths_and_what_is_hidden_or_no_picture_is_not(tmp_path):
    for name in ("b.JPG", "a/c.png", "a/.hidden.png", ".git/d.png", "a/note.md", "a/z/e.heic", "a/f.webp"):
        touch(tmp_path / name)
    tree = walk(tmp_path)
    assert names(tree, tmp_path) == ["a/c.png", "a/f.webp", "a/z/e.heic", "b.JPG"]
    assert all((file.size, file.mtime_ns) == (1, Path(file.path).stat().st_mtime_ns) for file in tree.files)
    assert not tree.refused and not tree.closed


def test_words_beside_a_picture_are_known_and_their_change_shows(tmp_path):
    touch(tmp_path / "a.jpg")
    for name in ("a.txt", "A.jpg.xmp", "b.txt"):
        touch(tmp_path / name)
    (before,) = walk(tmp_path).files
    assert [Path(path).name for path in before.beside] == ["a.txt", "A.jpg.xmp"]
    touch(tmp_path / "a.txt", b"longer")
    (after,) = walk(tmp_path).files
    assert after.beside_at != before.beside_at and (after.size, after.mtime_ns) == (before.size, before.mtime_ns)


def beside(folder):
    return {Path(file.path).name: [Path(path).name for path in file.beside] for file in walk(folder).files}


def test_words_are_of_the_picture_of_exactly_their_name(tmp_path):
    for name in ("a.jpg", "a.png", "a.jpg.png", "a.b.jpg", "c.JPG", "d.png", "dd.png"):
        touch(tmp_path / name)
    for name in ("a.jpg.xmp", "a.png.txt", "a.b.xmp", "c.xmp", "d.XMP", "dd.jpg.xmp", "e.xmp"):
        touch(tmp_path / name)
    assert beside(tmp_path) == {
        "a.jpg": ["a.jpg.xmp"],
        "a.png": ["a.png.txt"],
        "a.jpg.png": [],
        "a.b.jpg": ["a.b.xmp"],
        "c.JPG": ["c.xmp"],
        "d.png": ["d.XMP"],
        "dd.png": [],
    }
    assert walk(tmp_path).refused == []


def test_an_xmp_that_may_be_of_two_pictures_is_of_none_and_said_and_a_text_is_of_both(tmp_path):
    for name in ("a.jpg", "a.png", "a.xmp", "a.txt"):
        touch(tmp_path / name)
    assert beside(tmp_path) == {"a.jpg": ["a.txt"], "a.png": ["a.txt"]}
    note = "a.xmp left out: is it of a.jpg or of a.png? Name it in full, as a.jpg.xmp is of a.jpg"
    tree = walk(tmp_path)
    assert (tree.refused, tree.passed, [file.note for file in tree.files]) == ([], [], [note, note])
    states = [file.beside_at for file in tree.files]
    # As soon as one of them has its own, it is of the other.
    touch(tmp_path / "a.png.xmp")
    assert beside(tmp_path) == {"a.jpg": ["a.txt", "a.xmp"], "a.png": ["a.png.xmp", "a.txt"]}
    tree = walk(tmp_path)
    assert [file.note for file in tree.files] == ["", ""]
    assert tree.files[1].beside_at != states[1]  # so that it is looked at again


def test_an_xmp_that_may_be_of_a_raw_file_is_not_taken_for_the_pictures(tmp_path):
    for name in ("a.jpg", "a.CR2", "a.xmp", "a.txt", "b.NEF", "b.xmp", "c.mov", "c.xmp", "c.jpg"):
        touch(tmp_path / name)
    assert beside(tmp_path) == {"a.jpg": ["a.txt"], "c.jpg": ["c.xmp"]}
    tree = walk(tmp_path)
    asked = "is it of a.CR2 or of a.jpg? Name it in full, as a.jpg.xmp is of a.jpg"
    assert [file.note for file in tree.files] == [f"a.xmp left out: {asked}", ""]
    assert sorted(Path(path).name for path in tree.passed) == ["a.CR2", "b.NEF", "b.xmp", "c.mov"]
    touch(tmp_path / "a.CR2.xmp")  # now it is known which is of the raw file
    assert beside(tmp_path)["a.jpg"] == ["a.txt", "a.xmp"]


def test_an_xmp_of_the_stem_gives_way_to_one_of_the_whole_name(tmp_path):
    for name in ("a.jpg", "a.jpg.xmp", "a.xmp"):
        touch(tmp_path / name)
    assert beside(tmp_path) == {"a.jpg": ["a.jpg.xmp"]}
    (file,) = walk(tmp_path).files
    assert file.note == "a.xmp left out: a.jpg has another"


def test_case_decides_where_names_differ_in_nothing_else(tmp_path):
    for name in ("IMG_1.jpg", "img_1.jpg", "IMG_1.xmp", "img_1.txt", "b.JPG"):
        touch(tmp_path / name)
    if len(list(tmp_path.iterdir())) < 5:
        pytest.skip("this file system knows no case")
    touch(tmp_path / "B.jpg.XMP")
    assert beside(tmp_path) == {"IMG_1.jpg": ["IMG_1.xmp"], "b.JPG": ["B.jpg.XMP"], "img_1.jpg": ["img_1.txt"]}


def test_words_are_found_however_the_accents_of_their_name_are_composed(tmp_path):
    touch(tmp_path / "Zu\u0308rich.jpg"), touch(tmp_path / "Z\u00fcrich.xmp")
    touch(tmp_path / "caf\u00e9.jpg"), touch(tmp_path / "cafe\u0301.jpg.txt")
    files = walk(tmp_path).files
    assert sorted(Path(file.beside[0]).suffix for file in files) == [".txt", ".xmp"]
    touch(tmp_path / "Zu\u0308rich.xmp")
    (own,) = (file for file in walk(tmp_path).files if "rich" in file.path)
    assert own.beside == (str(tmp_path / "Zu\u0308rich.xmp"),) and "has another" in own.note


def test_a_link_is_followed_inside_the_root_and_refused_where_it_leads_out(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    touch(root / "real" / "a.png")
    touch(outside / "secret.png")
    (root / "inside.png").symlink_to(root / "real" / "a.png")
    (root / "escape.png").symlink_to(outside / "secret.png")
    (root / "escape").symlink_to(outside)
    (root / "sibling").symlink_to(tmp_path / "root-sibling")
    touch(tmp_path / "root-sibling" / "b.png")
    (root / "a.png").symlink_to(root / "nowhere.png")
    touch(root / "words.png")
    (root / "words.txt").symlink_to(outside / "secret.png")
    tree = walk(root)
    assert names(tree, root) == ["real/a.png", "words.png"]  # inside.png is a second name of a picture that is there
    why = {os.path.relpath(path, root): why for path, why in tree.refused}
    assert set(why) == {"escape.png", "escape", "sibling", "a.png"}
    assert "a link to nothing" in why["a.png"] and "leads out" in why["escape.png"]
    assert not tree.files[-1].beside


def test_a_circle_of_links_ends_and_no_picture_is_found_twice(tmp_path):
    touch(tmp_path / "a" / "b" / "c.png")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "again").symlink_to(tmp_path / "a" / "b")
    (tmp_path / "self").symlink_to(tmp_path)
    found = walk(tmp_path).files
    assert len(found) == len({os.path.realpath(file.path) for file in found}) == 1


def test_a_root_that_is_a_link_is_walked(tmp_path):
    touch(tmp_path / "real" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert names(walk(tmp_path / "link"), tmp_path / "link") == ["a.png"]


def test_a_missing_root_is_an_error_and_an_empty_one_is_empty(tmp_path):
    with pytest.raises(BadInput, match=r"usb: not there; is the disk mounted\?$"):
        walk(tmp_path / "usb")
    with pytest.raises(BadInput, match=r"a\.jpg: not a folder$"):
        walk(touch(tmp_path / "file" / "a.jpg"))
    (tmp_path / "file" / "a.jpg").unlink()
    assert walk(tmp_path).files == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever may read everything cannot be shut out")
def test_a_folder_that_cannot_be_listed_is_told(tmp_path):
    touch(tmp_path / "closed" / "a.png")
    (tmp_path / "closed").chmod(0)
    try:
        assert walk(tmp_path).closed == [str(tmp_path / "closed")]
    finally:
        (tmp_path / "closed").chmod(0o700)


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="the file system has Unicode names only")
def test_a_name_that_is_no_unicode_is_refused(tmp_path):
    touch(tmp_path / "good.png")
    with open(os.fsencode(tmp_path) + b"/bad\xff.png", "wb") as file:
        file.write(b"x")
    tree = walk(tmp_path)
    assert names(tree, tmp_path) == ["good.png"]
    assert tree.refused == [(f"{tmp_path}/bad\\xff.png", "its name is not Unicode; rename it")]


def test_a_pipe_with_the_name_of_a_picture_is_left_alone(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert walk(tmp_path).files == []


def test_single_pictures_are_what_the_walk_finds(tmp_path):
    touch(tmp_path / "a.jpg")
    touch(tmp_path / "a.txt")
    touch(tmp_path / "b.jpg")
    assert pictures([str(tmp_path / "a.jpg")]).files == walk(tmp_path).files[:1]
    with pytest.raises(BadInput, match=r"a\.txt: not a picture"):
        pictures([str(tmp_path / "a.txt")])
    touch(tmp_path / ".b.jpg")
    with pytest.raises(BadInput, match=r"\.b\.jpg: hidden"):
        pictures([str(tmp_path / ".b.jpg")])


# ----------------------------------------------------------------------------------------- passed over, and left out


def test_every_file_that_is_not_hidden_is_a_picture_words_refused_passed_or_left_out(tmp_path):
    here = ("a.jpg", "a.txt", "sub/b.PNG", "notes.txt", "c.cr2", "sub/clip.mov", "README", "old/d.jpg", ".hidden.cr2")
    for name in here:
        touch(tmp_path / name)
    tree = walk(tmp_path, exclude=["old/"])
    relative = [os.path.relpath(path, tmp_path) for path in tree.passed]
    assert names(tree, tmp_path) == ["a.jpg", "sub/b.PNG"]
    assert sorted(relative) == ["README", "c.cr2", "notes.txt", "sub/clip.mov"]
    assert tree.left_out == [str(tmp_path / "old")]


@pytest.mark.parametrize(
    ("kind", "name"),
    [("JPEG", "jpg"), ("PNG", "png"), ("GIF", "gif"), ("WEBP", "webp"), ("TIFF", "tif"), ("BMP", "bmp")],
)
def test_a_picture_without_its_ending_is_known_by_its_first_bytes(tmp_path, kind, name):
    Image.new("RGB", (300, 200)).save(tmp_path / f"whole.{name}")
    (tmp_path / f"whole.{name}").rename(tmp_path / "whole")
    touch(tmp_path / f"b.{name}_large", (tmp_path / "whole").read_bytes())
    touch(tmp_path / "raw.dng", (tmp_path / "whole").read_bytes())  # known to be no picture we read: nobody looks
    touch(tmp_path / "text", b"BM is how a letter may begin; II and MM too")
    looks = {Path(path).name: looks.upper() for path, _, looks in passed_over(sorted(walk(tmp_path).passed))}
    assert looks == {f"b.{name}_large": kind, "raw.dng": "", "text": "", "whole": kind}


def test_what_others_keep_beside_pictures_is_left_out_and_can_be_had_back(tmp_path):
    for name in ("@eaDir/a.jpg/S.jpg", "x.lrdata/b.jpg", "lib.photoslibrary/resources/c.jpg", "deep/#recycle/d.jpg"):
        touch(tmp_path / name)
    for name in ("lib.photoslibrary/originals/e.jpg", "eaDir/f.jpg"):
        touch(tmp_path / name)
    assert names(walk(tmp_path), tmp_path) == ["eaDir/f.jpg", "lib.photoslibrary/originals/e.jpg"]
    touch(tmp_path / FILE, b"!@eaDir/\n")
    assert "@eaDir/a.jpg/S.jpg" in names(walk(tmp_path), tmp_path)
    assert "x.lrdata/b.jpg" in names(walk(tmp_path, exclude=["!*.lrdata"]), tmp_path)


def test_a_file_of_patterns_holds_below_it_from_wherever_one_begins_and_what_is_given_wins(tmp_path):
    for name in ("scans/a.jpg", "scans/b.png", "c.jpg", "scans/deep/d.jpg"):
        touch(tmp_path / name)
    touch(tmp_path / FILE, b"# mine\r\n*.png\r\nscans/deep/\r\n")
    assert names(walk(tmp_path), tmp_path) == ["c.jpg", "scans/a.jpg"]
    assert names(walk(tmp_path / "scans"), tmp_path) == ["scans/a.jpg"]
    touch(tmp_path / "scans" / FILE, b"!b.png\n")
    assert names(walk(tmp_path), tmp_path) == ["c.jpg", "scans/a.jpg", "scans/b.png"]
    assert names(walk(tmp_path, exclude=["/c.jpg", "b.png"]), tmp_path) == ["scans/a.jpg"]


def test_a_good_name_that_the_locale_cannot_read_is_not_called_bad(monkeypatch):
    monkeypatch.setattr("sys.getfilesystemencoding", lambda: "iso8859-1")
    assert not_unicode() == "its name is read as iso8859-1 here, and is more than that; set PYTHONUTF8=1"


def test_a_folder_that_was_seen_is_not_visited_again_and_those_visited_are_told(tmp_path):
    for name in ("a/x.jpg", "b/y.jpg", "z.jpg"):
        touch(tmp_path / name)
    seen = set()
    assert names(walk(tmp_path / "a", seen), tmp_path) == ["a/x.jpg"] and len(seen) == 1
    assert names(walk(tmp_path, seen), tmp_path) == ["b/y.jpg", "z.jpg"] and len(seen) == 3
    assert walk(tmp_path, seen).files == [] and names(walk(tmp_path), tmp_path) == ["a/x.jpg", "b/y.jpg", "z.jpg"]


def test_a_picture_that_only_links_lead_to_is_found_once_by_the_first_of_them(tmp_path):
    touch(tmp_path / "kept" / ".hidden.jpg")
    for name in ("b.jpg", "a.jpg", "kept/c.jpg"):
        (tmp_path / name).symlink_to(tmp_path / "kept" / ".hidden.jpg")
    tree = walk(tmp_path)
    assert names(tree, tmp_path) == ["a.jpg"] and tree.refused == []
    assert [Path(file.path).name for file in pictures([str(tmp_path / n) for n in ("b.jpg", "a.jpg")]).files] == [
        "a.jpg",
        "b.jpg",
    ], "whoever names a link wants it"


def test_folders_are_told_apart_by_disk_and_number_and_where_there_is_none_by_name(tmp_path, monkeypatch):
    for name in ("a/b/x.jpg", "c/y.jpg"):
        touch(tmp_path / name)
    (tmp_path / "c" / "again").symlink_to(tmp_path / "a")
    real = Path.stat

    def stat(path, **named):
        at = real(path, **named)
        disk = at.st_dev + Path(os.path.realpath(path)).is_relative_to(tmp_path / "a")
        return os.stat_result((at.st_mode, at.st_ino if numbers else 0, disk, *at[3:]))

    monkeypatch.setattr(Path, "stat", stat)
    for numbers in (True, False):  # noqa: B007 - of the file system
        tree = walk(tmp_path)
        assert names(tree, tmp_path) == ["a/b/x.jpg", "c/y.jpg"] and tree.mounts == [str(tmp_path / "a")]


def test_what_cannot_be_looked_at_is_refused_where_it_may_be_a_picture_and_closed_where_it_is_a_folder(
    tmp_path, monkeypatch
):
    for name in ("a.jpg", "a.odd"):
        (tmp_path / name).symlink_to(tmp_path / name)
    for name in ("shut/b.jpg", "gone/c.jpg", "d.jpg"):
        touch(tmp_path / name)
    listed, known = os.scandir, Path.stat

    def scandir(path):
        if Path(path).name == "shut":
            raise PermissionError
        return listed(path)

    def stat(path, **named):
        if path.name == "gone":
            raise FileNotFoundError
        return known(path, **named)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(Path, "stat", stat)
    tree = walk(tmp_path)
    assert names(tree, tmp_path) == ["d.jpg"]
    assert sorted(tree.closed) == [str(tmp_path / "gone"), str(tmp_path / "shut")]
    assert tree.refused == [(str(tmp_path / "a.jpg"), "not readable (Too many levels of symbolic links)")]


def test_words_that_a_link_brings_in_from_inside_are_taken_and_no_others(tmp_path):
    root = tmp_path / "root"
    touch(root / "a.jpg"), touch(root / "b.jpg"), touch(root / "words" / "x"), touch(tmp_path / "x")
    (root / "a.txt").symlink_to(root / "words" / "x")
    (root / "b.txt").symlink_to(tmp_path / "x")
    assert beside(root) == {"a.jpg": ["a.txt"], "b.jpg": []}


def test_a_link_to_the_next_folder_of_a_like_name_leads_out(tmp_path):
    touch(tmp_path / "root-2" / "a.jpg"), touch(tmp_path / "root" / "b.jpg")
    (tmp_path / "root" / "a.jpg").symlink_to(tmp_path / "root-2" / "a.jpg")
    tree = walk(tmp_path / "root")
    assert names(tree, tmp_path) == ["root/b.jpg"]
    assert [why for _, why in tree.refused] == ["a link that leads out of the folder; index its target"]


def test_single_pictures_of_several_folders_come_in_order_and_one_that_is_refused_says_why(tmp_path):
    for name in ("b/x.jpg", "a/y.jpg", "a/z.jpg"):
        touch(tmp_path / name)
    (tmp_path / "a" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    tree = pictures([str(tmp_path / name) for name in ("b/x.jpg", "a/z.jpg", "a/gone.jpg")])
    assert names(tree, tmp_path) == ["a/z.jpg", "b/x.jpg"]
    assert tree.refused == [
        (str(tmp_path / "a" / "gone.jpg"), "a link to nothing; bring its target back, or remove it")
    ]
    with pytest.raises(BadInput, match=r"a/no\.jpg: not a picture \(\.avif, \.bmp, .*\.webp\)$"):
        pictures([str(tmp_path / "a" / "no.jpg")])


@pytest.mark.parametrize(
    ("start", "looks"),
    [
        (b"\0\0\0\x1cftypavif", "AVIF"),
        (b"\0\0\0\x1cftypavis", "AVIF"),
        *((b"\0\0\0\x18ftyp" + brand, "HEIC") for brand in (b"heic", b"heix", b"mif1")),
        (b"\0\0\0\x18ftypisom", ""),
        (b"GIF87a", "GIF"),
        (b"GIF88a", ""),
        (b"MM\0*", "TIFF"),
        (b"BM\n\n\n\n\0\0\0\0", "BMP"),
        (b"RIFF\n\n\n\nWEBP", "WebP"),
        (b"", ""),
    ],
)
def test_the_first_bytes_of_what_has_an_ending_that_nobody_knows_are_looked_at(tmp_path, start, looks):
    for name in ("a.odd", "a.XMP", "a.Mov", "noending"):
        touch(tmp_path / name, start)
    names = [str(tmp_path / name) for name in ("a.odd", "a.XMP", "a.Mov", "noending", "gone.odd")]
    assert [(one.ending, one.looks) for one in passed_over(names)] == [
        (".odd", looks),
        (".xmp", ""),
        (".mov", ""),
        ("", looks),
        (".odd", ""),
    ]


def test_an_ending_is_what_stands_behind_the_last_dot_of_a_name_that_has_a_stem(tmp_path):
    endings = {"a.b.JPG": ".jpg", "a.": ".", "a": "", ".jpg": "", "a.jpg/b": "", "x.y/.z": ""}
    assert {path: one.ending for path, one in zip(endings, passed_over(endings), strict=True)} == endings
