import json

import numpy as np
import pytest
from PIL import Image

from diptych.features.regions import Regions
from diptych.kinds import BadInput

BOXES = {
    "0.png": [[0, 0, 0.5, 1], [0.5, 0, 1, 0.5]],
    "1.png": [],
    "2.png": [[0, 0, 1, 1], [0.2, 0.2, 0.3, 0.9], [0, 0, 0.1, 0.1]],
}


def told(pictures, boxes=BOXES):
    lines = [json.dumps({"image": f"images/{name}", "boxes": found}) for name, found in boxes.items()]
    (pictures[0].parents[1] / "regions.jsonl").write_text("\n".join(lines))


def test_a_region_is_its_pixels_and_its_place_and_padding_follows(pictures):
    told(pictures)
    feature = Regions(pixels=4).fit(pictures[:3])
    rows = feature.transform(pictures[:3])
    assert rows.shape == (3, 3, 3 * 16 + 5) and rows.dtype == np.float32
    assert (rows[0, 2] == 0).all() and (rows[1] == 0).all() and (rows[2] != 0).any(axis=1).all()
    image = Image.open(pictures[0])
    crop = image.crop((0, 0, image.width // 2, image.height)).resize((4, 4), Image.Resampling.BOX)
    shown = np.asarray(crop, dtype=float).ravel() / 127.5 - 1
    np.testing.assert_allclose(rows[0, 0, :48] * np.sqrt(48), shown, atol=0.02)
    stands = np.array([0, 0, 0.5, 1, 0.5]) * 2 - 1
    np.testing.assert_allclose(rows[0, 0, 48:] * np.sqrt(5), stands, atol=1e-6)
    assert (np.linalg.norm(rows[rows.any(axis=2)], axis=1) < 1.5).all()


def test_as_many_regions_as_training_pictures_have_and_no_more_than_most(pictures, tmp_path):
    told(pictures)
    narrow = Regions(pixels=2).fit(pictures[:2])
    assert narrow.transform(pictures[2:3]).shape[1] == 2
    assert Regions(pixels=2, most=1).fit(pictures[:3]).transform(pictures[:3]).shape[1] == 1
    narrow.save_pretrained(tmp_path / "kept")
    np.testing.assert_array_equal(
        Regions.from_pretrained(tmp_path / "kept").transform(pictures[:3]), narrow.transform(pictures[:3])
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"image": "images/0.png"}', "line 1: expected `image`, and `boxes`"),
        ('{"image": "images/0.png", "boxes": [["a", 0, 1, 1]]}', "line 1: expected `image`, and `boxes`"),
        ('{"image": "images/0.png", "boxes": [[0, 0, 1]]}', "line 1: .* is no"),
        ('{"image": "images/0.png", "boxes": [[0.5, 0, 0.5, 1]]}', "line 1: .* is no"),
        ('{"image": "images/0.png", "boxes": [[0, 0, NaN, 1]]}', "line 1: .* is no"),
        ('{"image": "images/9.png", "boxes": []}', "tells of no 0.png"),
    ],
)
def test_what_is_wrong_is_named(pictures, line, says):
    (pictures[0].parents[1] / "regions.jsonl").write_text(line)
    with pytest.raises(BadInput, match=says):
        Regions().fit(pictures[:1])


def test_a_folder_without_boxes_says_what_to_write(pictures):
    with pytest.raises(BadInput, match=r"regions\.jsonl beside .*tells of no 0\.png"):
        Regions().fit(pictures[:1])
