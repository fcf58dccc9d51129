"""A large network is loaded from a copy: with the same rows, and whatever becomes of the copy."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tiny
from onnxruntime.quantization import quantize_dynamic

from diptych.encoders import networks
from diptych.encoders.pair import OnnxPair
from diptych.kinds import BadInput

TEXTS = ["a red dog", "two cat", "the sea"]


@pytest.fixture
def copies(tmp_path, monkeypatch):
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(networks, "LARGE", 0)
    return tmp_path / "cache" / "networks"


def rows(folder):
    encoder = OnnxPair(folder)
    pixels = np.random.default_rng(0).integers(0, 256, (8, tiny.SIDE, tiny.SIDE, 3), dtype=np.uint8)
    return np.concatenate([encoder.encode_texts(TEXTS), encoder.encode_pixels(pixels)])


def loads(monkeypatch):
    """The files that sessions are made of from here on."""
    seen, made = [], onnxruntime.InferenceSession

    def session(file, *others, **named):
        seen.append(Path(file))
        return made(file, *others, **named)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    return seen


def test_the_copy_gives_the_rows_of_the_file_and_is_made_once(tmp_path, copies, monkeypatch):
    folder = tiny.pair(tmp_path / "pair")
    monkeypatch.setattr(networks, "LARGE", 1 << 40)
    plain = rows(folder)
    assert not copies.exists()
    monkeypatch.setattr(networks, "LARGE", 0)
    assert np.allclose(rows(folder), plain, atol=1e-6)
    assert len(list(copies.iterdir())) == 2, "of texts, and of pictures"
    assert list(copies.glob("*/weights")), "apart"
    seen = loads(monkeypatch)
    assert np.allclose(rows(folder), plain, atol=1e-6)
    assert {file.name for file in seen} == {"graph.onnx"}


@pytest.mark.parametrize("beyond", [0, 1])
def test_what_is_as_large_as_the_bound_has_a_copy_and_what_is_smaller_has_none(tmp_path, copies, monkeypatch, beyond):
    file = tiny.pair(tmp_path / "pair") / "text.onnx"
    monkeypatch.setattr(networks, "LARGE", file.stat().st_size + beyond)
    networks.session(file, 1)
    assert copies.exists() == (not beyond)


def test_a_copy_leaves_those_of_other_networks_alone(tmp_path, copies):
    one, two = (tiny.pair(tmp_path / str(seed), seed=seed) / "text.onnx" for seed in (1, 2))
    networks.session(one, 1)
    (kept,) = copies.iterdir()
    networks.session(two, 1)
    assert kept.exists() and len(list(copies.iterdir())) == 2


def test_a_copy_that_was_touched_or_is_of_another_onnxruntime_is_made_anew(tmp_path, copies, monkeypatch):
    folder = tiny.pair(tmp_path / "pair")
    plain = rows(folder)
    for copy in copies.iterdir():
        for file in {*copy.iterdir()} - {copy / "sums.json"}:
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 255
            file.write_bytes(data)
    assert np.allclose(rows(folder), plain, atol=1e-6)
    for copy in copies.iterdir():
        (copy / "sums.json").unlink()
    assert np.allclose(rows(folder), plain, atol=1e-6)
    monkeypatch.setattr(onnxruntime, "__version__", "99.0")
    assert np.allclose(rows(folder), plain, atol=1e-6)
    assert all(copy.name.endswith("-99.0") for copy in copies.iterdir()) and len(list(copies.iterdir())) == 2


def test_without_a_place_for_the_copy_the_file_itself_is_loaded(tmp_path, copies, monkeypatch):
    folder = tiny.pair(tmp_path / "pair")
    copies.parent.mkdir()
    copies.write_text("no folder")
    seen = loads(monkeypatch)
    assert rows(folder).shape == (11, tiny.DIMS)
    assert {file.parent for file in seen} == {folder}


def test_another_file_of_the_same_name_is_another_network(tmp_path, copies):
    one, two = (tiny.pair(tmp_path / str(seed), seed=seed) for seed in (1, 2))
    first, second = rows(one), rows(two)
    assert np.abs(first - second).max() > 0.1
    for name in ("text.onnx", "image.onnx"):
        (two / name).replace(one / name)
    assert np.allclose(rows(one), second, atol=1e-6)


def test_a_file_that_is_no_network_or_not_the_sealed_one_says_so_and_leaves_no_copy(tmp_path, copies):
    folder = tiny.pair(tmp_path / "pair")
    with pytest.raises(BadInput, match=r"text\.onnx is not the file that its card was written for"):
        networks.session(folder / "text.onnx", 1, sealed="0" * 64)
    (folder / "text.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(BadInput, match=r"text\.onnx: onnxruntime does not read it"):
        networks.session(folder / "text.onnx", 1)
    assert not list(copies.glob("*"))


def test_weights_in_other_files_are_refused(tmp_path, copies):
    folder = tiny.pair(tmp_path / "pair")
    secret = onnx.load(folder / "text.onnx")
    onnx.save(secret, folder / "text.onnx", save_as_external_data=True, location="beside", size_threshold=0)
    with pytest.raises(BadInput, match=r"text\.onnx: onnxruntime does not read it"):
        networks.session(folder / "text.onnx", 1)


@pytest.fixture
def gpu(monkeypatch):
    """onnxruntime says that it can use CUDA, which the one of the tests cannot; no network is too small for it."""
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(networks, "LARGE", 0)


def test_without_an_accelerator_nothing_is_said_and_nothing_else_is_used(tmp_path, monkeypatch, recwarn):
    tiny.image_tower(tmp_path / "image.onnx", 0, raw=True)
    monkeypatch.setattr(networks, "LARGE", 0)
    assert networks.accelerated(tmp_path / "image.onnx") is None and not recwarn.list


def test_an_accelerator_that_does_not_start_is_told_in_one_line(tmp_path, gpu, recwarn):
    tiny.image_tower(tmp_path / "image.onnx", 0, raw=True)
    assert networks.accelerated(tmp_path / "image.onnx") is None
    (told,) = recwarn.list
    assert str(told.message).startswith("image.onnx runs on the processor and not on CUDA: it does not start")
    assert "\n" not in str(told.message)


def test_small_networks_and_those_of_bytes_are_left_to_the_processor(tmp_path, gpu, monkeypatch, recwarn):
    tiny.image_tower(tmp_path / "image.onnx", 0, raw=True)
    quantize_dynamic(tmp_path / "image.onnx", tmp_path / "bytes.onnx")
    assert networks.accelerated(tmp_path / "bytes.onnx") is None and not recwarn.list
    monkeypatch.setattr(networks, "LARGE", 1 << 20)
    assert networks.accelerated(tmp_path / "image.onnx") is None and not recwarn.list


def test_what_an_accelerator_is_told_reaches_onnxruntime_and_what_it_says_comes_back(
    tmp_path, gpu, monkeypatch, recwarn
):
    tiny.image_tower(tmp_path / "image.onnx", 0, raw=True)
    asked = []

    class Session:
        def __init__(self, file, options, providers):
            asked.append(providers)
            if len(asked) > 1:
                raise RuntimeError("out of memory\nand more")

        def get_providers(self):
            return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    assert isinstance(networks.accelerated(tmp_path / "image.onnx"), Session) and not recwarn.list
    assert asked == [[("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"]]
    assert networks.accelerated(tmp_path / "image.onnx") is None
    (told,) = recwarn.list
    assert str(told.message) == "image.onnx runs on the processor and not on CUDA: out of memory"
