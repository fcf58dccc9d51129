"""Features and a method as one thing."""

import json

import numpy as np
import pytest
from flow_world import MadeUp

from diptych.encoder import Encoder
from diptych.flow.fit import fit
from diptych.flow.prepare import prepare
from diptych.kinds import BadInput, Pairs
from diptych.methods.subspace.cca import CCA


def test_an_encoder_fitted_by_hand_is_the_one_that_the_flow_fits(tmp_path):
    world = MadeUp()
    encoder = Encoder.of("given", "given", CCA(dims=4)).fit(world.read("train"))
    same = fit("cca", prepare(world.dataset), {"dims": "4"})
    encoder.save_pretrained(tmp_path)
    for one in (same, Encoder.from_pretrained(tmp_path)):
        np.testing.assert_array_equal(encoder.encode_images(world.all.images), one.encode_images(world.all.images))
        np.testing.assert_array_equal(encoder.encode_texts(world.all.texts), one.encode_texts(world.all.texts))
    assert encoder.space is CCA.space


def test_strings_go_through_the_features_of_their_side():
    rng = np.random.default_rng(0)
    texts = [f"{'red' if row % 2 else 'blue'} boat" for row in range(20)]
    images = rng.standard_normal((20, 3)) + np.where(np.arange(20) % 2, 3, -3)[:, None]
    encoder = Encoder.of("given", "bag_of_words", CCA(dims=1)).fit(Pairs(images, texts))
    red, blue = encoder.encode_texts(["a red boat", "a blue boat"])
    image = encoder.encode_images(images[1:2])[0]
    assert image @ red > image @ blue
    with pytest.raises(BadInput, match="bag_of_words reads texts"):
        encoder.encode_texts(images)


def test_folders_keep_the_class_name_that_the_first_ones_have(tmp_path):
    encoder = Encoder.of("given", "given", CCA(dims=2)).fit(MadeUp().read("train"))
    encoder.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["class"] == "diptych.flow.encoder:Encoder"  # where it lay when the first folders were written
    config["class"] = "diptych.encoder:Encoder"
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "SHA256SUMS").unlink()  # which folders of that time have not, and which tell of any change
    assert Encoder.from_pretrained(tmp_path).method_.dims == 2
