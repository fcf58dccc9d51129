"""Fitting on a training split, and what the encoder remembers of it."""

import numpy as np
import pytest
from flow_world import MadeUp

from diptych import __version__
from diptych.encoder import Encoder
from diptych.flow.fit import fit
from diptych.flow.prepare import prepare
from diptych.flow.report import writable
from diptych.kinds import BadInput


def test_an_encoder_remembers_what_it_was_fitted_on():
    prepared = prepare(MadeUp().dataset, protocol="labels", seed=4)
    assert fit("cca", prepared).trained_on_ == {
        "method": "cca",
        "dataset": "made_up",
        "protocol": "labels",
        "split": "train",
        "data": prepare(MadeUp().dataset).digest("train"),
        "seed": 4,
        "diptych": __version__,
    }


@pytest.mark.parametrize(("settings", "seed"), [({}, 4), ({"seed": "9"}, 9), ({"seed": "0"}, 0)])
def test_a_seed_that_is_set_stands_before_the_common_one(settings, seed):
    assert fit("kcca", prepare(MadeUp().dataset, seed=4), settings).method_.settings()["seed"] == seed


def test_the_same_seed_fits_the_same_and_a_folder_keeps_it(tmp_path):
    one, two = (fit("kcca", prepare(MadeUp().dataset, seed=4), {"landmarks": "20"}) for _ in range(2))
    one.save_pretrained(tmp_path)
    back = Encoder.from_pretrained(tmp_path)
    images = MadeUp().all.images
    np.testing.assert_array_equal(one.encode_images(images), two.encode_images(images))
    np.testing.assert_array_equal(one.encode_images(images), back.encode_images(images))
    assert back.trained_on_ == one.trained_on_


def test_a_folder_is_made_or_said_to_be_in_the_way(tmp_path):
    made = writable(tmp_path / "deep" / "er")
    assert made.is_dir() and list(made.iterdir()) == [] and writable(made) == made
    (tmp_path / "file").write_text("kept")
    for path in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(BadInput, match="no folder can be made here"):
            writable(path)
    assert (tmp_path / "file").read_text() == "kept"


def test_a_folder_that_takes_no_file_is_bad_input(tmp_path, monkeypatch):
    def refused(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    with pytest.raises(BadInput, match="Permission denied"):
        writable(tmp_path)
