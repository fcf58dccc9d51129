"""Index and search as a person does, on painted cards, with an encoder that `diptych fit` wrote."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Run

from diptych import postcards
from diptych.app import find
from diptych.collection import Collection
from diptych.flow.fit import fit
from diptych.flow.prepare import prepare

pytestmark = pytest.mark.usefixtures("own_cache")


def process(*arguments: str | Path, at: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The same as `here` in a process of its own."""
    command = [sys.executable, "-m", "diptych.app.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=at, env=os.environ)


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 60 cards, indexed, with an encoder fitted on 150."""
    home = tmp_path_factory.mktemp("album")
    postcards.write(home / "cards", 150)
    prepared = prepare(home / "cards" / "scenes.jsonl", image_features="colour")
    fit("cca", prepared, {"dims": "64"}).save_pretrained(home / "encoder")
    (home / "pictures").mkdir()
    for picture in sorted((home / "cards" / "images").iterdir())[:60]:
        shutil.copy(picture, home / "pictures")
    (home / "pictures" / "00000.txt").write_text("a quiet lagoon\n")
    (home / "pictures" / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    answer = process("index", home / "pictures", "--model", home / "encoder")
    assert answer.returncode == 0, answer.stderr
    assert "60 added" in answer.stdout and "broken.jpg" in answer.stdout
    return home / "pictures"


def test_search_prints_the_promised_json(album: Path) -> None:
    answer = process("search", "a forest at night", "-t", "5", "--json", at=album)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert set(found) == {"query", "verdict", "results", "seconds", "total", "hints", "ranked_by", "collection"}
    assert found["ranked_by"] == "query"
    assert found["collection"] == str(album / ".diptych") and found["hints"] == []
    assert len(found["results"]) == 5
    assert set(found["results"][0]) == {"id", "key", "path", "score", "verdict", "why"}
    assert all(hit["key"] == hit["path"] for hit in found["results"])
    scores = [hit["score"] for hit in found["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(Path(hit["path"]).is_file() for hit in found["results"])


def test_marks_move_the_order_and_it_is_said_so(album: Path, here: Run) -> None:
    plain = here("search", "a forest at night", "-t", "60", "-f", at=album).stdout.splitlines()
    marked = here("search", "a forest at night", "-t", "60", "--yes", plain[-1], "--no", plain[0], at=album)
    order = [line.split("\t")[1] for line in marked.stdout.splitlines()]
    assert set(order) == {*plain} - {plain[0], plain[-1]} and order != plain[1:-1]
    assert re.search(r"^ranked by marks \(\w+", marked.stderr, re.MULTILINE)
    refused = here("search", "a forest", "--yes", "#99999", at=album)
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1 and "marks: " in refused.stderr


def test_words_of_a_caption_find_its_picture_and_say_so(album: Path, here: Run) -> None:
    found = json.loads(here("search", "lagoon", "--json", at=album).stdout)
    assert Path(found["results"][0]["path"]).name == "00000.png"
    assert any("lagoon" in why for why in found["results"][0]["why"])


def test_a_picture_finds_itself_first_and_similar_leaves_it_out(album: Path, here: Run) -> None:
    picture = album / "00010.png"
    first = here("search", f"{picture}", "-t", "1", "-f", at=album)
    assert first.stdout.splitlines() == [str(picture)]
    others = here("similar", picture, "-t", "3", "-f", at=album).stdout.splitlines()
    assert len(others) == 3 and str(picture) not in others


def test_where_no_collection_is_near_the_one_indexed_last_is_searched(album: Path, tmp_path: Path, here: Run) -> None:
    assert here("index", album).returncode == 0
    found = here("search", "a forest at night", "-t", "1", "-f", at=tmp_path)
    assert found.returncode == 0 and Path(found.stdout.strip()).parent == album
    assert found.stderr == f"in {album / '.diptych'}\n"
    assert "no collection" in here("index", at=tmp_path).stderr, "who writes has to name it"
    named = here("search", "a forest at night", "-t", "1", "-f", "--collection", album, at=tmp_path)
    assert (named.stdout, named.stderr) == (found.stdout, ""), "by the folder of pictures, too"


def test_indexing_again_changes_nothing(album: Path, here: Run) -> None:
    report = json.loads(here("index", "--json", at=album).stdout)
    assert (report["added"], report["updated"], report["encoded"]) == (0, 0, 0)
    assert report["items"] == 60


def test_status_verify_captions_duplicates_and_export(album: Path, tmp_path: Path, here: Run) -> None:
    status = json.loads(here("status", "--json", at=album).stdout)
    assert status["items"] == 60 and "broken.jpg" in status["failures"][0]["path"]
    assert status["excluded"] == status["notes"] == []
    assert here("verify", at=album).stdout == "sound\n"
    texts = tmp_path / "texts.txt"
    texts.write_text("a desert at noon\na city at night\n")
    said = json.loads(here("captions", album / "00003.png", "--among", texts, "--json", at=album).stdout)
    assert {row["text"] for row in said} == {"a desert at noon", "a city at night"}
    assert here("export", tmp_path / "all.jsonl", at=album).returncode == 0
    assert len((tmp_path / "all.jsonl").read_text().splitlines()) >= 60


def test_duplicates_says_which_to_keep_and_why(album: Path, tmp_path: Path, here: Run) -> None:
    shutil.copytree(album, tmp_path / "more", ignore=shutil.ignore_patterns(".diptych"))
    shutil.copy(album / "00007.png", tmp_path / "more" / "00007 copy.png")
    assert here("index", tmp_path / "more", "--model", album.parent / "encoder").returncode == 0
    shutil.copy(tmp_path / "more" / "00008.png", tmp_path / "more" / "gone.png")
    assert here("index", at=tmp_path / "more").returncode == 0
    (tmp_path / "more" / "gone.png").unlink()
    told = json.loads(here("duplicates", "--json", at=tmp_path / "more").stdout)
    assert set(told) == {"collection", "groups", "unread"} and told["collection"] == str(tmp_path / "more" / ".diptych")
    ((unread, why),) = [(file["path"], file["why"]) for file in told["unread"]]
    assert unread == str(tmp_path / "more" / "gone.png") and why
    groups = told["groups"]
    exact = [group for group in groups if group["kind"] == "exact"]
    assert [set(group) for group in groups] == [{"kind", "id", "keep", "why", "others"}] * len(groups)
    (group,) = exact
    assert Path(group["keep"]).name == "00007.png" and Path(group["others"][0]["path"]).name == "00007 copy.png"
    assert set(group["others"][0]) == {"id", "path", "why", "words"}
    lines = [line.split("\t") for line in here("duplicates", at=tmp_path / "more").stdout.splitlines()]
    assert lines[0][:3] == ["exact", "keep", group["keep"]] and lines[1][:2] == ["exact", "other"]
    assert lines[1][3].startswith("same bytes; named as a copy")


def test_the_contact_sheet_asks_nothing_of_the_network(album: Path, tmp_path: Path, here: Run) -> None:
    answer = here("search", '"<script>alert(1)</script> boat"', "--html", tmp_path / "sheet.html", at=album)
    assert answer.returncode == 0, answer.stderr
    page = (tmp_path / "sheet.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 10
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["search", "boat AND"], "column 9"),
        (["search", "boat", "--collection", "nowhere"], "nowhere"),
        (["search", "./nowhere.jpg"], "nowhere.jpg"),
        (["index", "nowhere"], "nowhere: no such folder"),
        (["index", ".", "--model", "nothing"], "noth"),
        (["captions", "#9999"], "9999"),
        (["similar", "nowhere.jpg"], "no picture of that name in"),
        (["similar", "."], ".: a folder; name a picture file"),
        (["index", "/dev/null"], "/dev/null: not a folder"),
        (["reindex", "--memory", "-1"], "--memory: -1; give megabytes above 0"),
        (["reindex", "--latency", "0"], "--latency: 0; give milliseconds above 0"),
        (["index", ".", "--bits", "8"], "--bits: it is of codes; say --codes own too"),
        (["reindex", "--codes", "own", "--memory", "1"], "leave memory and latency out"),
        (["index", ".", "--codes", "nowhere"], "nowhere: no config.json in it"),
        (["captions", "#1", "--among", "nowhere.txt"], "nowhere.txt: not readable (No such file"),
        (["captions", "#1", "--among", "00001.png"], "00001.png: not readable (not UTF-8)"),
        (["search", "boat", "--html", "00001.png/sheet.html"], "--html 00001.png/sheet.html: cannot be written"),
        (["search", "camera = Canon EOS"], 'as in camera = "Canon EOS"'),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(album: Path, arguments: list[str], named: str, here: Run) -> None:
    answer = here(*arguments, at=album)
    assert answer.returncode == 2, answer.stdout
    assert answer.stderr.count("\n") == 1 and named in answer.stderr, answer.stderr
    assert ("meant as a text" in answer.stderr) == (arguments[-1] == "./nowhere.jpg")  # a query, and nothing else


def test_a_folder_without_a_collection_says_how_to_make_one(tmp_path: Path, here: Run) -> None:
    answer = here("search", "boat", at=tmp_path, DIPTYCH_CACHE=str(tmp_path / "cache"))
    assert answer.returncode == 2
    assert "diptych index" in answer.stderr


# ---------------------------------------------------------------------------------------- told truly, and in good order


@pytest.fixture
def small(album: Path, tmp_path: Path) -> Path:
    """A folder of one card, of files that are none, and of a picture whose words cannot be read; not indexed yet."""
    folder = tmp_path / "small"
    (folder / "@eaDir").mkdir(parents=True)
    for name in ("00010.png", "@eaDir/thumb.png", "trip.png", "hidden picture"):
        shutil.copy(album / "00010.png", folder / name)
    for name in ("IMG_1.CR2", "IMG_2.CR2", "notes"):
        (folder / name).write_bytes(bytes(100))
    (folder / "trip.txt").write_bytes(b"\x89PNG\0\0\0data")
    return folder


def encoder(album: Path) -> Path:
    return album.parent / "encoder"


def test_index_counts_what_it_passes_over_and_names_it_when_asked(album: Path, small: Path, here: Run) -> None:
    table = small / "captions.csv"
    table.write_text("image,caption\n" + "".join(f"gone{n}.png,x\n" for n in range(5)) + "trip.png,y\n", "utf-8")
    answer = here("index", small, "--model", encoder(album), "--captions", table, at=small)
    first, *lines = answer.stdout.splitlines()
    assert re.fullmatch(rf"2 pictures in {small}/.diptych: 2 added; [0-9.]+ s", first)
    assert lines == [
        f"note: {small}/trip.png: words left out of trip.txt: not a text; save it as UTF-8",
        f"{table}: words for 2 pictures are new or changed",  # they are of the same content
        f"5 pictures of {table} not in the collection: gone0.png, gone1.png, gone2.png, …",
        "4 files passed over: 2 .cr2, 1 without an ending and 1 that looks like PNG without its ending "
        "(--show-passed names them)",
        "1 left out by patterns (--show-passed names them)",
    ]
    named = here("index", "--show-passed", at=small).stdout.splitlines()
    assert f"passed over: {small}/hidden picture: looks like PNG; give it the ending to index it" in named
    assert f"passed over: {small}/IMG_1.CR2" in named and f"left out: {small}/@eaDir" in named
    report = json.loads(here("index", "--json", at=small).stdout)
    endings = {".cr2": 2, "": 1, ".csv": 1}
    assert report["passed"] == {"files": 5, "endings": endings, "look_like": {"PNG": 1}}
    assert report["left_out"] == 1 and "passed_files" not in report
    report = json.loads(here("index", "--json", "--show-passed", at=small).stdout)
    assert {Path(file["path"]).name for file in report["passed_files"]} >= {"IMG_1.CR2", "notes", "hidden picture"}
    assert report["left_out_files"] == [f"{small}/@eaDir"]


def test_a_person_who_begins_with_mini_is_told_once_what_knows_more(
    album: Path, tmp_path: Path, here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = shutil.copy(album / "00001.png", tmp_path)
    where = tmp_path / "piped"
    assert here("index", picture, "--collection", where).stderr == "", "nobody reads what goes into a pipe"
    monkeypatch.setattr(find, "a_person_reads", lambda: True)
    told = here("index", picture, "--collection", tmp_path / "read")
    assert told.stderr == (
        "mini knows everyday scenes; diptych models says what knows more: "
        f"diptych reindex --model NAME --collection {tmp_path / 'read'}\n"
    )
    assert here("index", picture, "--collection", tmp_path / "read").stderr == "", "and not again"
    assert here("index", picture, "--collection", tmp_path / "for machines", "--json").stderr == ""
    other = here("index", picture, "--collection", tmp_path / "own", "--model", album.parent / "encoder")
    assert other.returncode == 0 and other.stderr == ""


def test_what_is_excluded_stays_out_of_the_next_run_and_is_listed_and_taken_back(
    album: Path, small: Path, here: Run
) -> None:
    out = here(
        "index", small, "--model", encoder(album), "--exclude", "trip*", "--exclude", "!@eaDir/", at=small
    ).stdout
    assert "2 pictures" in out and "2 added" in out
    again = json.loads(here("index", "--json", at=small).stdout)
    assert (again["items"], again["unchanged"]) == (2, 2)
    status = here("status", at=small).stdout.splitlines()
    assert [line for line in status if line.startswith("excluded")] == ["excluded\ttrip*", "excluded\t!@eaDir/"]
    assert json.loads(here("index", "--include", "trip*", "--json", at=small).stdout)["added"] == 1
    wrong = here("index", "--include", "trip*", at=small)
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1 and "there are: !@eaDir/" in wrong.stderr


def test_that_there_are_no_captions_is_said(album: Path, small: Path, here: Run) -> None:
    (small / "trip.txt").unlink()
    here("index", small, "--model", encoder(album), at=small)
    answer = here("captions", "#1", at=small)
    assert (answer.returncode, answer.stdout) == (0, "") and "--among" in answer.stderr


def test_a_file_that_was_given_alone_is_forgotten_alone(album: Path, small: Path, here: Run) -> None:
    for name in ("00010.png", "trip.png"):
        assert here("index", small / name, "--model", encoder(album), at=small).returncode == 0
    (small / "trip.png").unlink()
    for name in ("00010.png", "trip.png"):  # there or not
        answer = here("forget", small / name, at=small)
        assert answer.returncode == 0 and answer.stdout.startswith("1 picture forgotten"), answer.stderr
        assert "comes back" not in answer.stderr
    assert json.loads(here("status", "--json", at=small).stdout)["items"] == 0
    again = here("forget", small / "00010.png", at=small)
    assert again.returncode == 2 and "nothing is known of it" in again.stderr


def test_what_is_forgotten_for_ever_stays_out_until_it_is_readmitted(album: Path, small: Path, here: Run) -> None:
    def indexed(*options: str | Path) -> list[int]:
        report = json.loads(here("index", *options, "--json", at=small).stdout)
        return [report["added"], report["barred"]]

    (small / "sub").mkdir()
    shutil.copy(album / "00011.png", small / "sub")
    here("index", small, "--model", encoder(album), at=small)
    back = here("forget", "sub/00011.png", at=small)
    assert back.stdout == "1 picture forgotten, and the words given to 0\n"
    assert "sub/00011.png lies in a folder that is indexed, and comes back with it; --forever" in back.stderr
    assert indexed() == [1, 0]
    gone = here("forget", "sub/00011.png", "--forever", at=small)
    assert gone.stdout.startswith("1 picture forgotten") and "comes back" not in gone.stderr
    shutil.copy(small / "sub" / "00011.png", small / "copy.png")
    assert indexed() == [0, 2], "nor does a copy"
    assert json.loads(here("status", "--json", at=small).stdout)["removed_forever"] == [
        str(small / "copy.png"),
        str(small / "sub" / "00011.png"),
    ]
    assert indexed("--readmit", "copy.png") == [2, 0]
    assert here("forget", "sub", "--forever", at=small).stdout.startswith("1 picture forgotten")
    assert indexed() == [0, 1], "its copy was not forgotten, and is the same as before"
    assert indexed("--readmit", small / "sub") == [1, 0], "a folder stands for all that lay in it"
    wrong = here("index", "--readmit", "copy.png", at=small)
    assert wrong.returncode == 2 and "copy.png: nothing of it was forgotten for ever; diptych status" in wrong.stderr
    assert here("forget", "--forever", at=small).returncode == 2


def test_a_run_that_finds_nothing_says_so(album: Path, tmp_path: Path, here: Run) -> None:
    (tmp_path / "none").mkdir()
    out = here("index", tmp_path / "none", "--model", encoder(album), at=tmp_path).stdout
    assert re.fullmatch(r"0 pictures in \S+: none found; [0-9.]+ s\n", out)


def test_an_indexed_picture_is_never_said_not_to_be(album: Path, small: Path, here: Run) -> None:
    here("index", small, "--model", encoder(album), at=small)
    lines = here("status", at=small).stdout.splitlines()
    assert not any(line.startswith("not indexed") for line in lines)
    assert [line.partition(".png: ")[0] for line in lines if line.startswith("note")] == [f"note\t{small}/trip"]
    facts = json.loads(here("status", "--json", at=small).stdout)
    assert facts["failures"] == [] and [note["path"] for note in facts["notes"]] == [f"{small}/trip.png"]


def test_a_single_picture_goes_into_the_collection_of_its_folder(album: Path, small: Path, here: Run) -> None:
    alone = here("index", small / "trip.png", "--model", encoder(album), at=small.parent)
    assert alone.returncode == 0 and f"1 picture in {small}/.diptych: 1 added" in alone.stdout, alone.stderr
    (small / "sub").mkdir()
    shutil.copy(album / "00011.png", small / "sub")
    below = here("index", Path("sub") / "00011.png", at=small)
    assert f"2 pictures in {small}/.diptych: 1 added" in below.stdout, "there is one above"


def test_a_name_is_found_in_the_collection_whatever_folder_one_is_in(album: Path, tmp_path: Path, here: Run) -> None:
    at = ["--collection", album / ".diptych", "-f"]
    assert here("search", "00012.png", "-t", "1", *at, at=tmp_path).stdout == f"{album}/00012.png\n"
    assert f"{album}/00012.png" not in here("similar", "00012.png", *at, at=tmp_path).stdout
    gone = here("search", "IMG_7.jpg", *at, at=tmp_path)
    assert gone.returncode == 2 and f"no picture of that name in {album}/.diptych" in gone.stderr


def test_which_collection_answered_is_said_unless_it_was_named_or_is_of_this_folder(album: Path, here: Run) -> None:
    (album / "below").mkdir(exist_ok=True)
    told = f"in {album}/.diptych\n"
    for command in ("search a", "similar #1", "captions #1", "duplicates", "status", "verify"):
        assert here(*command.split(), at=album / "below").stderr.startswith(told), command
    assert told not in here("search", "a", at=album).stderr
    assert told not in here("search", "a", "--collection", album / ".diptych", at=album / "below").stderr


def test_a_collection_that_is_not_there_is_not_begun_by_a_command_that_changes_one(
    album: Path, tmp_path: Path, here: Run
) -> None:
    """A misspelt name, or a disk that is not mounted."""
    (tmp_path / "empty").mkdir()
    for name in ("nowhere", "empty"):
        for command in (("index",), ("reindex",), ("forget", album)):
            answer = here(*command, "--collection", name, at=tmp_path)
            assert answer.returncode == 2 and f"{name}: no collection in it" in answer.stderr, command
    assert list(tmp_path.iterdir()) == [tmp_path / "empty"] and list((tmp_path / "empty").iterdir()) == []


def test_every_command_takes_a_folder_of_pictures_for_its_collection(album: Path, small: Path, here: Run) -> None:
    here("index", small, "--model", encoder(album), at=small)
    files = sorted(small.iterdir())
    assert "2 unchanged" in here("index", small, "-c", "small", at=small.parent).stdout
    assert "2 unchanged" in here("index", "-c", "small", at=small.parent).stdout
    assert "2 pictures, index" in here("reindex", "-c", "small", at=small.parent).stdout
    assert here("verify", "-c", "small", at=small.parent).stdout == "sound\n"
    assert "2 pictures forgotten" in here("forget", "small", "-c", "small", at=small.parent).stdout
    assert sorted(small.iterdir()) == files


def test_codes_are_told_when_they_are_built_and_kept_in_status(
    album: Path, tmp_path: Path, here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = ("index", album, "-c", tmp_path / "c", "--model", encoder(album), "--codes", "own")
    few = here(*index, at=tmp_path)
    assert few.stdout.splitlines()[-1] == "index: exact, until there are 256 pictures to learn codes from"
    monkeypatch.setattr("diptych.collection.codes.LEAST", 40)
    line = here(*index, "--bits", "32", at=tmp_path).stdout.splitlines()[-1]
    pattern = r"index: codes of 32 bits, recall@10 ([.\d]+) of exact search on \d+ text queries; "
    pattern += r"12 bytes a picture in memory, (\d+) scored again, [.\d]+ ms a query"
    found = re.fullmatch(pattern, line)
    assert found is not None, line
    kept = json.loads(here("status", "-c", tmp_path / "c", "--json", at=tmp_path).stdout)["index"]
    assert kept["kind"] == "codes" and kept["bits"] == 32 and kept["rescored"] == int(found[2])
    assert f"{kept['recall']['value']:.3f}" == found[1] and kept["bytes"]["memory"] == 12
    assert json.loads(here(*index, "--bits", "32", "--json", at=tmp_path).stdout)["index"] == kept
    asked = ("search", "a forest at night", "-c", tmp_path / "c", "-f")
    by_codes = here(*asked, at=tmp_path).stdout
    assert here("reindex", "-c", tmp_path / "c", at=tmp_path).stdout == "60 pictures, index: exact\n"
    assert len({*by_codes.splitlines()} & {*here(*asked, at=tmp_path).stdout.splitlines()}) >= 8


def test_a_command_that_is_named_does_what_is_said_wherever_it_is_pasted(
    album: Path, tmp_path: Path, here: Run
) -> None:
    """From another folder, which has a collection of its own."""
    folder = tmp_path / "my pictures"
    for name, number in (("A", 10), ("B", 20)):
        (folder / name).mkdir(parents=True)
        for n in (1, 2):
            shutil.copy(album / f"000{number + n}.png", folder / name / f"{n}.png")

    def pasted(text: str) -> subprocess.CompletedProcess[str]:
        command = re.search(r"diptych ((?:[^\s';]|'[^']*'| )+?)(?= mends| lists|$)", text, re.MULTILINE)
        assert command, text
        return here(*shlex.split(command[1]), at=album)

    here("index", folder / "A", folder / "B", "--model", encoder(album), "-c", folder / ".diptych", at=tmp_path)
    os.utime(folder / "A" / "1.png", (1, 1))
    assert "1 updated" in pasted(here("verify", "-c", folder, at=album).stdout).stdout
    with Collection.open(folder / ".diptych", write=True) as collection:
        collection.annotate(folder / "A" / "1.png", tags=["mine"])
    (folder / "A" / "1.png").unlink()
    out = here("index", "-c", folder, at=album).stdout
    assert "tag:mine" in pasted(next(line for line in out.splitlines() if "kept for their return" in line)).stdout
    shutil.move(folder / "B", folder / "C")
    out = here("index", "-c", folder, at=album).stdout
    assert "2 pictures forgotten" in pasted(next(line for line in out.splitlines() if "not looked at" in line)).stdout
    shutil.rmtree(folder / "A")
    gone = here("index", "-c", folder, at=album)
    assert gone.returncode == 2 and "1 picture forgotten" in pasted(gone.stderr).stdout


def test_names_steer_no_terminal_and_are_exact_for_xargs(album: Path, tmp_path: Path, here: Run) -> None:
    folder, odd = tmp_path / "odd", "a\n\x1b]0;title\x07 日本.png"
    folder.mkdir()
    shutil.copy(album / "00010.png", folder / odd)
    (folder / "bad\x1b[31m.png").write_bytes(b"nothing")
    indexed = here("index", folder, "--model", encoder(album), at=folder)
    assert f'not indexed: "{folder}/bad\\x1b[31m.png": ' in indexed.stdout
    quoted = f'"{folder}/a\\n\\x1b]0;title\\x07 日本.png"'
    assert here("search", "a", "-f", at=folder).stdout == f"{quoted}\n"
    assert quoted in here("search", "a", at=folder).stdout.splitlines()[0].split("\t")
    for flag in ("-0", "--print0"):
        assert here("search", "a", flag, at=folder).stdout == f"{folder}/{odd}\0"
    assert here("similar", "#1", "-0", at=folder).stdout == ""
    for answer in (indexed, here("status", at=folder), here("duplicates", at=folder)):
        assert "\x1b" not in answer.stdout + answer.stderr


def test_an_answer_is_printed_in_any_encoding(
    album: Path, small: Path, here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small / "trip.png").rename(small / "日本.png")
    here("index", small, "--model", encoder(album), at=small)
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    answer = process("search", "a", "-f", at=small)
    assert answer.returncode == 0 and r"/\u65e5\u672c" in answer.stdout, answer.stderr
    found = json.loads(process("search", "a", "--json", at=small).stdout)
    assert {Path(hit["path"]).name for hit in found["results"]} == {"00010.png", "日本.png"}
