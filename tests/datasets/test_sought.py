"""Composed retrieval and dialogues, read from made-up copies in the layouts that their authors publish."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diptych.catalogue import Dataset
from diptych.datasets import circo, cirr, fashioniq, genecis, visdial
from diptych.flow import schemes
from diptych.kinds import BadInput, Sought

READERS = (cirr, circo, fashioniq, genecis, visdial)


def write(file: Path, told: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(told), encoding="utf-8")


def copy_of(dataset: Any, home: Path) -> None:
    """Eight pictures and three queries each."""
    if dataset is cirr:
        names = [f"dev-{n}" for n in range(8)]
        write(home / "image_splits/split.rc2.val.json", {name: f"./dev/{name}.png" for name in names})
        rows = [
            {
                "pairid": 100 + n,
                "reference": names[n],
                "target_hard": names[n + 3],
                "target_soft": {names[n + 3]: 1.0, names[7]: 0.5},
                "caption": f"change {n}",
                "img_set": {"id": n, "members": [*names[n : n + 5], names[7]]},
            }
            for n in range(3)
        ]
        write(home / "captions/cap.rc2.val.json", rows)
    elif dataset is circo:
        images = [{"id": 10 + n, "file_name": f"{10 + n:012d}.jpg"} for n in range(8)]
        write(home / "COCO2017_unlabeled/annotations/image_info_unlabeled2017.json", {"images": images})
        rows = [
            {
                "id": n,
                "reference_img_id": 10 + n,
                "target_img_id": 13 + n,
                "gt_img_ids": [13 + n, 17],
                "relative_caption": f"change {n}",
            }
            for n in range(3)
        ]
        write(home / "annotations/val.json", rows)
    elif dataset is fashioniq:
        for category in ("dress", "shirt", "toptee"):
            write(home / f"image_splits/split.{category}.val.json", [f"B{n}" for n in range(8)])
            rows = [
                {"candidate": f"B{n}", "target": f"B{n + 3}", "captions": [f"is longer {n}. ", "and has, sleeves?"]}
                for n in range(3)
            ]
            write(home / f"captions/cap.{category}.val.json", rows)
    elif dataset is genecis:
        (home / "val2017").mkdir(parents=True)
        for task in ("focus_object", "change_object"):
            rows = [
                {
                    "condition": f"cup {n}",
                    "reference": {"val_image_id": n, "instance_bbox": None},
                    "target": {"val_image_id": n + 3},
                    "gallery": [{"val_image_id": 6}, {"val_image_id": 7}],
                }
                for n in range(3)
            ]
            write(home / f"genecis/{task}.json", rows)
    else:
        names = [f"unlabeled2017/{n:012d}.jpg" for n in range(8)]
        write(home / "ChatIR_Protocol/Search_Space_val_50k.json", names)
        turns = ["is it big? yes, very", "any people? no"]
        write(
            home / "dialogues/VisDial_v1.0_queries_val.json",
            [{"img": names[n + 3], "dialog": [f"caption {n}", *turns]} for n in range(3)],
        )


@pytest.fixture(params=READERS, ids=lambda dataset: dataset.CARD.name)
def made(request: Any, tmp_path: Path, with_counts: Any) -> tuple[Any, Path]:
    dataset = request.param
    with_counts(dataset, **dict.fromkeys(dataset.CARD.splits, 8))
    copy_of(dataset, tmp_path)
    return dataset, tmp_path


def answers(sought: Sought) -> list[list[int]]:
    return [sought.qrels.items[sought.qrels.queries == query].tolist() for query in range(len(sought.texts))]


def test_each_protocol_has_its_queries_pictures_and_answers(made: tuple[Any, Path]) -> None:
    dataset, home = made
    for name, read in dataset.SOUGHT.items():
        sought = read(home)
        assert len(sought.texts) == 3 and len(sought.pictures) == 8 and read.__doc__, name
        names = [Path(path).stem[-1] for path in sought.pictures]
        right = [[names[row] for row in rows] for rows in answers(sought)]
        assert [each[0] for each in right] == ["3", "4", "5"]
        assert [len(each) for each in right] == [2 if dataset is circo else 1] * 3
        if sought.reference is not None:
            assert [names[row] for row in sought.reference] == ["0", "1", "2"]


def test_what_a_paper_measures_is_measured(made: tuple[Any, Path]) -> None:
    dataset, home = made
    metrics = {
        "cirr": ("r@1", "r@5", "r@10", "r@50"),
        "circo": ("map@5", "map@10", "map@25", "map@50"),
        "fashioniq": ("r@10", "r@50"),
        "genecis": ("r@1", "r@2", "r@3"),
        "visdial": (),
    }
    for read in dataset.SOUGHT.values():
        assert read(home).metrics == metrics[dataset.CARD.name]


def test_cirr_ranks_among_the_five_most_like_it_besides(tmp_path: Path, with_counts: Any) -> None:
    with_counts(cirr, val=8)
    copy_of(cirr, tmp_path)
    sought = cirr.composed(tmp_path)
    assert not sought.stays and [rows.tolist() for rows in sought.subsets or ()] == [
        [0, 1, 2, 3, 4, 7],
        [1, 2, 3, 4, 5, 7],
        [2, 3, 4, 5, 6, 7],
    ]
    gallery = schemes._Gallery(sought, Fixed(np.eye(8)), None)
    queries = np.eye(8)[[0, 0, 7]] * 3 + np.eye(8)[[3, 4, 5]]  # what each is nearest to, and next
    values = gallery.measured(queries)
    assert values["r@1"].tolist() == [1.0, 0.0, 0.0]  # the first is nearest to its reference, which is no answer
    assert values["r_subset@1"].tolist() == [1.0, 1.0, 0.0] and values["r_subset@2"].tolist() == [1.0, 1.0, 1.0]


def test_genecis_ranks_among_its_own_pictures(tmp_path: Path) -> None:
    copy_of(genecis, tmp_path)
    sought = genecis.SOUGHT["composed_focus_object"](tmp_path)
    names = [Path(path).stem[-1] for path in sought.pictures]
    assert [[names[row] for row in rows] for rows in sought.among or ()] == [
        ["3", "6", "7"],
        ["4", "6", "7"],
        ["5", "6", "7"],
    ]
    gallery = schemes._Gallery(sought, Fixed(np.eye(8)), None)
    alike = np.zeros((3, 8))  # like nothing: all three are tied, wherever they stand in the file
    assert gallery.measured(alike)["r@1"].tolist() == pytest.approx([1 / 3] * 3)


def test_the_captions_of_fashioniq_are_joined(tmp_path: Path, with_counts: Any) -> None:
    with_counts(fashioniq, dress=8)
    copy_of(fashioniq, tmp_path)
    assert fashioniq.SOUGHT["composed_dress"](tmp_path).texts[0] == "is longer 0 and and has, sleeves"


def test_a_dialogue_that_is_written_down_asks_no_model(tmp_path: Path, with_counts: Any) -> None:
    with_counts(visdial, val=8)
    copy_of(visdial, tmp_path)
    sought = visdial.dialogue(tmp_path)
    assert sought.turns == (("is it big? yes, very", "any people? no"),) * 3
    dataset = Dataset(visdial.CARD, lambda split: visdial.read(split, tmp_path), {"dialogue": lambda: sought})
    encoder = Fixed(np.eye(8))
    told = schemes.measure("chatir", dataset, None, encoder=encoder, settings={"questions": "true"})
    assert list(told.rows["chatir"]) == ["hits@10 after 0", "hits@10 after 1", "hits@10 after 2"]
    assert encoder.read[-1] == "caption 2, is it big? yes, very, any people? no"
    assert told.language_model == "nobody" and told.spent["calls"] == 0


def test_a_composed_query_needs_a_model(tmp_path: Path, with_counts: Any) -> None:
    with_counts(cirr, val=8)
    copy_of(cirr, tmp_path)
    dataset = Dataset(
        cirr.CARD, lambda split: cirr.read(split, tmp_path), {"composed": lambda: cirr.composed(tmp_path)}
    )
    with pytest.raises(BadInput, match="asks a language model"):
        schemes.measure("cirevl", dataset, None, encoder=Fixed(np.eye(8)))


def test_there_are_no_pairs(made: tuple[Any, Path]) -> None:
    dataset, home = made
    for split in dataset.CARD.splits:
        with pytest.raises(BadInput, match="pairs no pictures with texts"):
            dataset.read(split, home)
    with pytest.raises(BadInput, match="no method is measured on it"):
        dataset.CARD.protocol()


@pytest.mark.parametrize("dataset", [cirr, circo, fashioniq, visdial], ids=lambda dataset: dataset.CARD.name)
def test_a_copy_that_is_not_the_published_one_is_told(dataset: Any, tmp_path: Path) -> None:
    copy_of(dataset, tmp_path)
    for read in dataset.SOUGHT.values():
        with pytest.raises(BadInput, match="found 8 pictures, expected") as told:
            read(tmp_path)
        assert dataset.CARD.get in str(told.value)


@pytest.mark.parametrize(
    "harm", ["missing", "no json", "a number", "rows of numbers", "rows without fields", "stranger"]
)
def test_a_damaged_copy_is_one_line(made: tuple[Any, Path], harm: str) -> None:
    dataset, home = made
    file = {
        cirr: "captions/cap.rc2.val.json",
        circo: "annotations/val.json",
        fashioniq: "captions/cap.dress.val.json",
        genecis: "genecis/focus_object.json",
        visdial: "dialogues/VisDial_v1.0_queries_val.json",
    }[dataset]
    path = home / file
    if harm == "missing":
        path.unlink()
    elif harm == "no json":
        path.write_bytes(b"\xff{")
    elif harm == "stranger":
        path.write_text(path.read_text().replace("dev-0", "dev-9").replace('"B0"', '"B9"').replace(": 10,", ": 99,"))
        path.write_text(path.read_text().replace("000003.jpg", "000009.jpg"))
    else:
        told = {"a number": 7, "rows of numbers": [7, 8], "rows without fields": [{}, {}]}[harm]
        path.write_text(json.dumps(told))
    if harm == "stranger" and dataset is genecis:  # whose pictures are those that are named
        return
    with pytest.raises(BadInput) as error:
        next(iter(dataset.SOUGHT.values()))(home)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


class Fixed:
    """An encoder whose pictures are given rows; texts are all alike, and those it read last are kept."""

    name = "fixed"

    def __new__(cls, rows: np.ndarray) -> Any:
        from diptych.encoders.dual import DualEncoder

        class Made(DualEncoder):
            name = "fixed"
            width = rows.shape[1]
            read: list[str] = []

            @property
            def digest(self) -> str:
                return ""

            def encode_pixels(self, pixels: Any) -> Any:
                raise AssertionError("there are no pixels")

            def _read(self, texts: list[str]) -> Any:
                raise AssertionError("texts are not batched")

            def encode_images(self, items: Any, progress: Any = None) -> Any:
                return rows.astype(np.float32)

            def encode_texts(self, items: Any, progress: Any = None) -> Any:
                self.read = list(items)
                return np.ones((len(items), rows.shape[1]), dtype=np.float32)

        return Made()
