import hashlib
import json

import pytest

from diptych.datasets import local
from diptych.kinds import BadInput


@pytest.fixture
def pictures(write):
    return [write(f"images/{i}.jpg") for i in range(10)]


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_a_folder_of_split_files(tmp_path, write, pictures):
    rows = [{"image": f"{i}.jpg", "captions": [f"one {i}", f"two {i}"], "labels": ["odd"] * (i % 2)} for i in range(10)]
    write("train.jsonl", lines(rows[:6]))
    write("test.jsonl", lines(rows[6:]))
    card = local.card(tmp_path)
    assert card.splits == {"train": 6, "test": 4, "all": 10}
    assert [str(protocol) for protocol in card.protocols] == [
        "test against test, relevant by pair, trained on train",
        "test against train, relevant by label, trained on train, texts of a picture joined",
    ]
    test = local.read("test", tmp_path)
    assert test.images == [str(path) for path in pictures[6:]]
    assert test.texts[:3] == ["one 6", "two 6", "one 7"]
    assert test.labels.tolist() == [[False], [True], [False], [True]]
    assert local.read("all", tmp_path).image_ids == tuple(f"{i}.jpg" for i in range(10))


def test_one_split_file_alone_reads_too(tmp_path, write, pictures):
    write("train.jsonl", lines({"image": f"{i}.jpg", "caption": "x"} for i in range(10)))
    assert local.card(tmp_path / "train.jsonl").splits == {"train": 8, "test": 2, "all": 10}
    assert local.read("all", tmp_path / "train.jsonl").images == [str(path) for path in pictures]


def test_a_folder_of_pictures_with_captions_beside_them(tmp_path, write):
    for i in range(10):
        write(f"{i % 2}/{i}.png")
        write(f"{i % 2}/{i}.txt", f"a {i}\nb {i}\n")
    card = local.card(tmp_path)
    assert card.splits == {"train": 8, "test": 2, "all": 10}
    assert [protocol.name for protocol in card.protocols] == ["pairs"]
    train, test = local.read("train", tmp_path), local.read("test", tmp_path)
    assert set(train.image_ids) | set(test.image_ids) == {f"{i % 2}/{i}.png" for i in range(10)}
    assert not set(train.image_ids) & set(test.image_ids)
    assert test.n_texts == 4
    assert test.labels is None


def test_the_draw_is_the_order_of_sha256(tmp_path, write):
    write("mine.csv", "image,caption\n" + "".join(f"{i}.jpg,text {i}\n" for i in range(25)))
    for i in range(25):
        write(f"{i}.jpg")
    ids = sorted((f"{i}.jpg" for i in range(25)), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert set(local.read("test", tmp_path / "mine.csv").image_ids) == set(ids[:5])


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_the_same_rows_read_alike_from_every_file(tmp_path, write, pictures, ending):
    rows = [
        {"image": f"images/{i // 2}.jpg", "caption": f"text {i}", "labels": "a|b" if i < 4 else "c", "split": split}
        for i in range(20)
        for split in ("train" if i < 12 else "dev",)
    ]
    path = tmp_path / f"mine{ending}"
    if ending == ".jsonl":
        path.write_text(lines(row | {"labels": row["labels"].split("|")} for row in rows))
    elif ending == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    else:
        mark = "," if ending == ".csv" else "\t"
        path.write_text("\n".join(mark.join(row.values()) for row in [dict(zip(rows[0], rows[0], strict=True)), *rows]))
    assert local.card(path).splits == {"train": 6, "dev": 4, "all": 10}
    assert local.card(path).protocols[1].database == "train"
    train = local.read("train", path)
    assert train.images == [str(picture) for picture in pictures[:6]]
    assert train.texts == [f"text {i}" for i in range(12)]
    assert train.owner.tolist() == [i // 2 for i in range(12)]
    assert train.labels.tolist() == [[True, True, False]] * 2 + [[False, False, True]] * 4


def test_hashing_splits_ask_the_database(tmp_path, write, pictures):
    split = ["query"] * 2 + ["train"] * 4 + ["database"] * 4
    write("mine.csv", "image,caption,labels,split\n" + "".join(f"images/{i}.jpg,x,l,{split[i]}\n" for i in range(10)))
    pairs, labels = local.card(tmp_path / "mine.csv").protocols
    assert (pairs.query, pairs.database) == ("query", "query")
    assert (labels.query, labels.database) == ("query", "database")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,caption\nimages/0.jpg,a\nimages/00.jpg,b\n", "mine.csv, line 3: no picture"),
        ("image,caption,split\nimages/0.jpg,a,train\nimages/1.jpg,b,\n", "mine.csv, line 3: no split"),
        ("image,caption,split\nimages/0.jpg,a,train\nimages/1.jpg,b,all\n", "mine.csv, line 3: `all` means every"),
        ("image,caption,split\nimages/0.jpg,a,left\nimages/1.jpg,b,right\n", "its splits are left, right"),
        ("image,caption,split\nimages/0.jpg,a,train\nimages/0.jpg,b,test\n", "line 3: images/0.jpg is in split"),
        ("image,caption\nimages/0.jpg,\n", "1 pictures and no text"),
        ("image,caption\n", "0 pictures and no text"),
        ("image,caption\nimages/0.jpg,a\n", "mine.csv: one picture; give at least two"),
        (f"image,caption\nimages/0.jpg,a\n{'x' * 5000}.jpg,b\n", "mine.csv, line 3: no picture xxx"),
        (f"image,caption\n{'x' * 5000}.jpg,b\nimages/0.jpg,a\n", "mine.csv, line 2: no picture xxx"),
        ("image,caption,split\nimages/0.jpg,a,train\nimages/1.jpg,,test\n", "no picture of split test has a text"),
        ("image,caption,split\nimages/0.jpg,,train\nimages/1.jpg,b,test\n", "no picture of split train has a text"),
    ],
)
def test_bad_data_is_one_clear_line(tmp_path, write, pictures, text, said):
    path = write("mine.csv", text)
    with pytest.raises(BadInput) as error:
        local.read("all", path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_is_read_once_and_again_when_it_changes(tmp_path, write, pictures, monkeypatch):
    read = []
    rows = local.table.rows
    monkeypatch.setattr(local.table, "rows", lambda path: read.append(path) or rows(path))
    path = write("mine.csv", "image,caption\n" + "".join(f"images/{i}.jpg,x\n" for i in range(10)))
    for split in local.card(path).splits:
        local.read(split, path)
    assert read == [path]
    write("mine.csv", "image,caption\n" + "".join(f"images/{i}.jpg,other\n" for i in range(10)))
    assert set(local.read("all", path).texts) == {"other"}
    assert read == [path, path]


def test_a_picture_without_a_text_has_no_document(tmp_path, write, pictures):
    path = write(
        "mine.csv", "image,caption,labels\n" + "".join(f"images/{i}.jpg,{'x' * (i != 4)},l\n" for i in range(10))
    )
    everything = local.read("all", path)
    assert everything.n_images == 10
    assert everything.joined().owner.tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert everything.joined().text_ids[4] == "images/5.jpg"


def test_unknown_paths_endings_and_splits(tmp_path, write, pictures):
    with pytest.raises(BadInput, match="no such file or folder"):
        local.card(tmp_path / "nowhere")
    with pytest.raises(BadInput, match=r"ends in \.jsonl, \.csv"):
        local.card(write("mine.xlsx"))
    path = write("mine.csv", "image,caption\n" + "".join(f"images/{i}.jpg,x\n" for i in range(10)))
    with pytest.raises(BadInput, match="no split 'tets'; did you mean 'test'"):
        local.read("tets", path)


@pytest.mark.data
def test_the_real_sets_are_in_this_format(data):
    from diptych.datasets import coco_val2017

    local_card = local.card(data / "coco_val2017")
    assert local_card.splits == coco_val2017.CARD.splits
    ours, theirs = local.read("dev", data / "coco_val2017"), coco_val2017.read("dev", data / "coco_val2017")
    assert ours.images == theirs.images
    assert ours.texts == theirs.texts
    assert (ours.labels == theirs.labels).all()
