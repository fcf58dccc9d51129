"""What an encoder computes with is in its identity, the files outside its folder too."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from diptych import postcards
from diptych.collection import Collection, OtherEncoder
from diptych.collection.identity import Identity
from diptych.encoder import Encoder
from diptych.kinds import BadInput, Pairs
from diptych.methods.subspace.cca import CCA


def network(file, factor):
    """(n, 3, 8, 8) -> the pixels in a row, times a factor that the file holds."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"]), helper.make_node("Flatten", ["y"], ["rows"])],
        "times",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 192])],
        [numpy_helper.from_array(np.float32(factor), "factor")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)


@pytest.fixture
def fitted(tmp_path, monkeypatch):
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))
    scenes = postcards.write(tmp_path / "cards", 24, workers=1)
    images = [tmp_path / "cards" / "images" / f"{scene.index:05d}.png" for scene in scenes]
    network(tmp_path / "net.onnx", 1.0)
    rows = np.random.default_rng(0).standard_normal((24, 6)).astype(np.float32)
    np.savez(tmp_path / "rows.npz", names=[path.name for path in images], features=rows)

    def fit(features):
        pairs = Pairs([str(path) for path in images], [scene.captions[0] for scene in scenes])
        Encoder.of(features, "tfidf", CCA(dims=3)).fit(pairs).save_pretrained(tmp_path / "encoder")
        return tmp_path / "encoder"

    return fit


def test_a_network_that_changed_outside_the_folder_is_another_encoder(tmp_path, fitted):
    folder = fitted(f"network@file={tmp_path / 'net.onnx'}")
    with Collection.open(tmp_path / "c", folder, write=True) as collection:
        collection.add(tmp_path / "cards" / "images")
    with Collection.open(tmp_path / "c") as collection:
        assert collection.search("snow").results
    network(tmp_path / "net.onnx", 3.0)
    with Collection.open(tmp_path / "c") as collection, pytest.raises(OtherEncoder, match=f"--model {folder}"):
        collection.search("snow")
    network(tmp_path / "net.onnx", 1.0)
    with Collection.open(tmp_path / "c") as collection:
        assert collection.search("snow").results
    (tmp_path / "net.onnx").unlink()
    with pytest.raises(BadInput, match=r"no .*net\.onnx"):
        Collection.open(tmp_path / "c", folder)


def test_rows_that_changed_outside_the_folder_are_another_encoder(tmp_path, fitted):
    folder = fitted(f"given@file={tmp_path / 'rows.npz'}")
    before = Identity.of(Encoder.from_pretrained(folder))
    assert Identity.of(Encoder.from_pretrained(folder)) == before
    with np.load(tmp_path / "rows.npz") as data:
        np.savez(tmp_path / "rows.npz", names=data["names"], features=data["features"] + 1)
    assert Identity.of(Encoder.from_pretrained(folder)) != before


def test_an_identity_of_an_earlier_version_is_read():
    made = Identity("cca", "cosine", "colour", "tfidf", "ab" * 32, "<f4", 3, "1.0")
    told = made.to_json().replace(', "revision": "1.0"', "")
    assert "revision" not in told and Identity.read(told) == made
    assert str(made) == "cca 1.0 abababababab (colour and tfidf, 3 wide, cosine)"
