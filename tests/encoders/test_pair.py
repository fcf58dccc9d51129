"""An encoder as two ONNX files: what comes out is what the files compute, and what is wrong is one line."""

import json
import sys

import numpy as np
import onnx
import pytest
import tiny
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator
from PIL import Image
from tokenizers import Tokenizer

from diptych.encoders import networks
from diptych.encoders.pair import OnnxPair, seal
from diptych.kinds import BadInput
from diptych.sources.pictures import Preprocessing

TEXTS = ["a red dog", "two cat", "the sea", "a dog runs on the sea and never stops", "unknown", "Red DOG"]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def seen(paths, resize):
    """(n, side, side, 3) bytes of upright pictures, without any of our own reading."""
    squares = []
    for path in paths:
        picture = Image.open(path)
        if path.name == "turned.jpg":
            picture = picture.transpose(Image.Transpose.ROTATE_270)
        if path.name == "clear.png":
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        picture = picture.convert("RGB")
        if resize == "crop":  # as CLIP does it: all of it first, then the middle
            short = min(picture.size)
            wide, high = (tiny.SIDE * side // short for side in picture.size)
            picture = picture.resize((wide, high), Image.Resampling.BICUBIC)
            left, top = (wide - tiny.SIDE) // 2, (high - tiny.SIDE) // 2
            picture = picture.crop((left, top, left + tiny.SIDE, top + tiny.SIDE))
        squares.append(np.asarray(picture.resize((tiny.SIDE, tiny.SIDE), Image.Resampling.BICUBIC)))
    return np.stack(squares)


@pytest.mark.parametrize("resize", ["squash", "crop"])
def test_pictures_give_what_the_reference_implementation_of_onnx_computes(tmp_path, pictures, resize):
    raw = tiny.pair(tmp_path / "raw", resize=resize, enough=0)
    pixels = seen(pictures, resize)
    (expected,) = ReferenceEvaluator(onnx.load(raw / "image.onnx")).run(None, {"pixels": pixels})
    # A crop is cut while it is resized, and a pixel may differ by one in 255.
    near = 1e-5 if resize == "squash" else 5e-3
    assert np.allclose(OnnxPair(raw).encode_images(pictures), unit(expected), atol=near)
    floats = tiny.pair(tmp_path / "floats", raw=False, resize=resize, enough=0)
    x = ((pixels / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.4]).transpose(0, 3, 1, 2).astype(np.float32)
    (expected,) = ReferenceEvaluator(onnx.load(floats / "image.onnx")).run(None, {"x": x})
    assert np.allclose(OnnxPair(floats).encode_images(pictures), unit(expected), atol=near)


def test_texts_are_cut_padded_and_masked(tmp_path):
    ids = np.array([[2, 3, 6, 0, 0, 0], [12, 7, 0, 0, 0, 0], [11, 8, 0, 0, 0, 0], [2, 6, 9, 10, 11, 8], [1] + 5 * [0]])
    ids = np.concatenate([ids, [[3, 6, 0, 0, 0, 0]]])
    for mask in (False, True):
        folder = tiny.pair(tmp_path / str(mask), mask=mask)
        feed = {"ids": ids} | ({"mask": (ids > 0).astype(np.int64)} if mask else {})
        (expected,) = ReferenceEvaluator(onnx.load(folder / "text.onnx")).run(None, feed)
        rows = OnnxPair(folder).encode_texts(TEXTS)
        assert np.allclose(rows, unit(expected), atol=1e-6) and rows.dtype == np.float32
        card = json.loads((folder / "card.json").read_text())
        card["text"]["padding"] = "length"
        (folder / "card.json").write_text(json.dumps(card))
        assert np.allclose(OnnxPair(folder).encode_texts(TEXTS), rows, atol=1e-6)


IDS = [[2, 3, 6], [12, 7], [11, 8], [2, 6, 9, 10, 11, 8], [1], [3, 6]]


def padded(width, pad=0):
    """IDS cut and filled up to so many."""
    return np.array([(ids + width * [pad])[:width] for ids in IDS])


def changed(file, change):
    """An ONNX file whose entries are declared otherwise."""
    network = onnx.load(file)
    change(network.graph.input)
    onnx.save(network, file)


@pytest.mark.parametrize("pad", [0, 5])
def test_a_tokenizer_that_pads_and_cuts_by_itself_is_asked_to_leave_that(tmp_path, pad):
    folder = tiny.pair(tmp_path / "pair")
    made = Tokenizer.from_file(str(folder / "tokenizer.json"))
    made.enable_padding(pad_id=pad, pad_token=tiny.WORDS[pad], length=11)
    made.enable_truncation(2)
    made.save(str(folder / "tokenizer.json"))
    (expected,) = ReferenceEvaluator(onnx.load(folder / "text.onnx")).run(None, {"ids": padded(6, pad)})
    assert np.allclose(OnnxPair(folder).encode_texts(TEXTS), unit(expected), atol=1e-6)


@pytest.mark.parametrize("fixed", [1, 4, 6, 9])
def test_a_network_of_one_number_of_tokens_is_given_so_many(tmp_path, fixed):
    folder = tiny.pair(tmp_path / "pair", mask=True)
    ids = np.pad(padded(min(fixed, 6)), [(0, 0), (0, max(0, fixed - 6))])
    feed = {"ids": ids, "mask": (ids > 0).astype(np.int64)}
    (expected,) = ReferenceEvaluator(onnx.load(folder / "text.onnx")).run(None, feed)

    def fix(entries):
        for entry in entries:
            entry.type.tensor_type.shape.dim[1].dim_value = fixed

    changed(folder / "text.onnx", fix)
    assert np.allclose(OnnxPair(folder).encode_texts(TEXTS), unit(expected), atol=1e-6)


@pytest.mark.parametrize(
    ("ids", "mask"), [("INT64", "BOOL"), ("INT32", "INT32"), ("INT64", "FLOAT"), ("INT32", "INT64")]
)
def test_ids_and_mask_come_as_the_network_takes_them(tmp_path, ids, mask):
    folder = tiny.pair(tmp_path / "pair", mask=True)
    rows = OnnxPair(folder).encode_texts(TEXTS)

    def declare(entries):
        for entry, kind in zip(entries, (ids, mask), strict=True):
            entry.type.tensor_type.elem_type = getattr(TensorProto, kind)

    changed(folder / "text.onnx", declare)
    assert np.allclose(OnnxPair(folder).encode_texts(TEXTS), rows, atol=1e-6)


@pytest.mark.parametrize("raw", [True, False])
def test_a_network_of_one_picture_at_a_time_sees_several_one_by_one(tmp_path, pictures, raw):
    folder = tiny.pair(tmp_path / "pair", raw=raw)
    rows = OnnxPair(folder).encode_images(pictures)

    def fix(size):
        return lambda entries: setattr(entries[0].type.tensor_type.shape.dim[0], "dim_value", size)

    changed(folder / "image.onnx", fix(1))
    assert np.allclose(OnnxPair(folder).encode_images(pictures), rows, atol=1e-5)
    changed(folder / "image.onnx", fix(3))
    for some in (pictures, pictures[:1]):
        with pytest.raises(BadInput, match=r"image\.onnx takes 3 pictures at a time; export it for any number"):
            OnnxPair(folder).encode_images(some)


def test_of_a_network_that_gives_several_things_the_first_is_the_row(tmp_path, pictures):
    folder = tiny.pair(tmp_path / "pair")
    ask = {
        "image.onnx": lambda: OnnxPair(folder).encode_images(pictures),
        "text.onnx": lambda: OnnxPair(folder).encode_texts(TEXTS),
    }
    for file, inside in (("image.onnx", "flat"), ("text.onnx", "total")):
        rows = ask[file]()
        network = onnx.load(folder / file)
        network.graph.output.append(onnx.helper.make_empty_tensor_value_info(inside))
        onnx.save(network, folder / file)
        assert np.array_equal(ask[file](), rows)


def test_networks_that_take_something_else_are_told_what_they_have_to_take(tmp_path, pictures):
    folder = tiny.pair(tmp_path / "pair", mask=True)

    def more(entries):
        entries.add().CopyFrom(entries[0])
        entries[-1].name = "more"

    def declare(kind):
        return lambda entries: setattr(entries[-1].type.tensor_type, "elem_type", kind)

    ask = {"image.onnx": lambda: OnnxPair(folder).encode_images(pictures[:1])}
    ask["text.onnx"] = lambda: OnnxPair(folder).encode_texts(TEXTS)
    for file, change, why in (
        ("image.onnx", declare(TensorProto.INT64), r"takes tensor\(int64\); it has to take one float or uint8 tensor"),
        ("image.onnx", more, "it has to take one float or uint8 tensor"),
        ("text.onnx", declare(TensorProto.FLOAT16), r"takes ids tensor\(int64\), mask tensor\(float16\); it has"),
        ("text.onnx", more, r"more tensor\(int64\); it has to take ids \(n, tokens\), and may take a mask"),
    ):  # fmt: skip
        whole = (folder / file).read_bytes()
        changed(folder / file, change)
        with pytest.raises(BadInput, match=f"{file} .*{why}"):
            ask[file]()
        (folder / file).write_bytes(whole)
    assert len(ask["image.onnx"]()) == 1 and len(ask["text.onnx"]()) == len(TEXTS)


def test_a_network_that_takes_half_precision_is_given_it(tmp_path, pictures):
    folder = tiny.pair(tmp_path / "pair", raw=False)
    rows = OnnxPair(folder).encode_images(pictures)
    tiny.image_tower(folder / "image.onnx", 0, raw=False, half=True)
    halves = OnnxPair(folder).encode_images(pictures)
    assert halves.dtype == np.float32 and np.allclose(halves, rows, atol=2e-3) and not np.array_equal(halves, rows)


def test_one_at_a_time_and_many_at_once_are_the_same(tmp_path):
    encoder = OnnxPair(tiny.pair(tmp_path / "pair"))
    pixels = np.random.default_rng(0).integers(0, 256, (64, tiny.SIDE, tiny.SIDE, 3), dtype=np.uint8)
    single = np.concatenate([encoder.encode_pixels(one[None]) for one in pixels])
    assert np.abs(encoder.encode_pixels(pixels) - single).max() <= 1e-5
    single = np.concatenate([encoder.encode_texts([text]) for text in TEXTS])
    assert np.abs(encoder.encode_texts(TEXTS) - single).max() <= 1e-5


def test_nothing_gives_no_rows_and_a_text_without_words_is_far_from_everything(tmp_path):
    encoder = OnnxPair(tiny.pair(tmp_path / "pair"))
    assert encoder.encode_images([]).shape == encoder.encode_texts([]).shape == (0, tiny.DIMS)
    assert encoder.encode_pixels(np.empty((0, tiny.SIDE, tiny.SIDE, 3), np.uint8)).shape == (0, tiny.DIMS)
    rows = encoder.encode_texts(["", "a dog"])
    assert (rows[0] == 0).all() and np.isclose(np.linalg.norm(rows[1]), 1)


def test_more_texts_than_are_read_at_a_time_are_the_same_and_progress_is_told(tmp_path):
    encoder, told = OnnxPair(tiny.pair(tmp_path / "pair")), []
    rows = encoder.encode_texts(TEXTS * 22, lambda *said: told.append(said))
    assert told == [("tiny: texts", 64, 132), ("tiny: texts", 128, 132), ("tiny: texts", 132, 132)]
    assert np.allclose(rows, np.tile(encoder.encode_texts(TEXTS), (22, 1)), atol=1e-6)


def test_open_pictures_and_files_are_the_same_and_progress_is_told(tmp_path, pictures):
    encoder = OnnxPair(tiny.pair(tmp_path / "pair", enough=0))
    told = []
    rows = encoder.encode_images([str(path) for path in pictures] * 5, lambda *said: told.append(said))
    assert told == [("tiny: pictures", 32, 40), ("tiny: pictures", 40, 40)]
    assert np.array_equal(encoder.encode_images([Image.open(path) for path in pictures]), rows[:8])


def test_each_side_is_loaded_when_it_is_asked_and_not_before(tmp_path, pictures):
    folder = tiny.pair(tmp_path / "pair")
    seal(folder)
    encoder = OnnxPair(folder)
    for side, other, ask in (
        ("text.onnx", "image.onnx", lambda: encoder.encode_texts(["a dog"])),
        ("image.onnx", "text.onnx", lambda: encoder.encode_images(pictures[:1])),
    ):
        (folder / other).rename(folder / "away")
        assert encoder.digest and len(ask()) == 1, f"{side} alone"
        (folder / "away").rename(folder / other)
    for file in folder.iterdir():
        file.unlink()
    assert len(encoder.encode_texts(["a cat"])) == len(encoder.encode_images(pictures[:1])) == 1, "and only once"


def test_the_digest_is_of_files_and_preprocessing_and_not_of_prose(tmp_path):
    folder = tiny.pair(tmp_path / "pair")
    card = json.loads((folder / "card.json").read_text())

    def digest(**changes):
        (folder / "card.json").write_text(json.dumps(card | changes))
        return OnnxPair(folder).digest

    first = digest()
    assert digest(name="other", weak="everywhere") == first
    assert digest(image={"side": tiny.SIDE, "resize": "crop"}) != first
    assert digest(image={"side": tiny.SIDE, "enough": 7}) != first
    assert digest(text={"length": 7}) != first
    digest()
    seal(folder)
    assert OnnxPair(folder).digest == first, "sealed or not, it is the same encoder"
    tiny.text_tower(folder / "text.onnx", 9, False)
    with pytest.raises(BadInput, match=r"text\.onnx is not the file that its card was written for"):
        OnnxPair(folder).encode_texts(["a dog"])
    seal(folder)
    assert OnnxPair(folder).digest != first


def test_torch_and_transformers_are_not_needed(tmp_path, pictures, monkeypatch):
    for name in ("torch", "transformers", "huggingface_hub"):
        monkeypatch.setitem(sys.modules, name, None)
    encoder = OnnxPair(tiny.pair(tmp_path / "pair"))
    assert len(encoder.encode_images(pictures)) == 8 and len(encoder.encode_texts(TEXTS)) == 6


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("dims", "many", "dims is 'many', no int"),
        ("dims", 0, "dims is 0, no whole number from 1"),
        ("dims", 65_537, "dims is 65537, no whole number from 1"),
        ("dims", True, "dims is True, no whole number from 1"),
        ("name", None, "name is None, no str"),
        ("version", 1, "version is 1, no str"),
        ("text", [], "text is [], no dict"),
        ("space", "hamming", "space is 'hamming'"),
        ("image", {}, "image.side is None"),
        ("image", {"side": -24}, "image.side is -24, no whole number from 1"),
        ("image", {"side": 24, "enough": -1}, "image.enough is -1, no number of pixels"),
        ("image", {"side": 24, "enough": True}, "image.enough is True, no number of pixels"),
        ("image", {"side": 24, "std": [1, 1, 1]}, "one of mean and std"),
        ("image", {"side": 24, "mean": [0, 0, 1], "std": ["1", 1, 1]}, "image.std is ['1', 1, 1], not three numbers"),
        ("image", {"side": 24, "mean": {"r": 1, "g": 1, "b": 1}, "std": [1, 1, 1]}, "image.mean is {"),
        ("image", {"side": 24, "resize": "stretch"}, "image.resize is 'stretch'"),
        ("image", {"side": 24, "resample": "bicubik"}, "did you mean 'bicubic'"),
        ("image", {"side": 24, "mean": [0, 0, 0]}, "one of mean and std"),
        ("image", {"side": 24, "mean": [0, 0, 0], "std": [1, 0, 1]}, "image.std has a 0"),
        ("image", {"side": 24, "mean": [0, 0], "std": [1, 1]}, "not three numbers"),
        ("image", {"side": 24, "enough": "all"}, "image.enough is 'all'"),
        ("text", {"length": 0}, "text.length is 0"),
        ("text", {"length": 65_537}, "text.length is 65537, no number of tokens"),
        ("text", {"length": True}, "text.length is True"),
        ("text", {"length": 5, "padding": "left"}, "text.padding is 'left'"),
        ("text", {"length": 5, "clean": "soap"}, "text.clean is 'soap', none of whitespace, lower, canonicalize"),
        ("text", {"length": 5, "pad": "[PAD]"}, "text.pad is '[PAD]', no id of a token"),
        ("text", {"length": 5, "batch": -1}, "text.batch is -1, no number of items"),
        ("image", {"side": 24, "output": 1}, "image.output is 1, no name"),
        ("digest", ["a"], "digest is no sha256"),
        ("digest", {"other.onnx": "0"}, "digest is no sha256 of each file"),
    ],
)
def test_a_card_that_says_nonsense_is_named_with_its_field(tmp_path, key, value, named):
    folder = tiny.pair(tmp_path / "pair")
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {key: value}))
    with pytest.raises(BadInput, match=r"card\.json") as error:
        OnnxPair(folder)
    assert named in str(error.value) and "\n" not in str(error.value)


def test_a_card_may_leave_out_what_goes_without_saying(tmp_path):
    folder = tiny.pair(tmp_path / "pair")
    card = json.loads((folder / "card.json").read_text())

    def made(**changes):
        (folder / "card.json").write_text(json.dumps(card | changes))
        return OnnxPair(folder)

    plain = made(image={"side": 24}, text={"length": 65_536}, dims=65_536)
    assert plain.preprocessing == Preprocessing(24, "squash", "bicubic", 24) and not plain.full
    assert (plain.width, plain.length, plain.reads) == (65_536, 65_536, "65536 tokens")
    assert plain.trained_on_ == {
        "method": "tiny", "revision": "1.0", "dataset": "nothing", "terms": "CC0-1.0"
    }  # fmt: skip
    said = made(
        image={"side": 24, "resize": "crop", "resample": "lanczos", "enough": 0},
        text={"length": 1, "padding": "length"},
        trained_on="",
        weak="at night",
    )
    assert said.preprocessing == Preprocessing(24, "crop", "lanczos", 0) and said.full
    assert said.trained_on_ == {"method": "tiny", "revision": "1.0", "terms": "CC0-1.0", "weak": "at night"}


def test_a_card_that_is_no_card_says_what_it_is_instead(tmp_path):
    folder = tiny.pair(tmp_path / "pair")
    for data, why in (
        (b"[]", "it is no object; see how to bring an encoder of your own"),
        (b"{", r"does not read as JSON \("),
        (b"\xff", r"does not read as JSON \("),
    ):
        (folder / "card.json").write_bytes(data)
        with pytest.raises(BadInput, match=f"card\\.json.* {why}"):
            OnnxPair(folder)
    with pytest.raises(
        BadInput, match=r"no card\.json, image\.onnx, text\.onnx, tokenizer\.json in it; not an ONNX pair"
    ):
        OnnxPair(tmp_path)


@pytest.mark.parametrize("data", [b"", b"nothing", b"[]", b"\xff\xfe", b'{"name": '])
@pytest.mark.parametrize("file", ["card.json", "image.onnx", "text.onnx", "tokenizer.json"])
def test_damaged_files_are_one_line_that_names_them(tmp_path, pictures, file, data):
    folder = tiny.pair(tmp_path / "pair")
    (folder / file).write_bytes(data)
    with pytest.raises(BadInput) as error:
        encoder = OnnxPair(folder)
        encoder.encode_texts(["a dog"])
        encoder.encode_images(pictures[:1])
    assert file in str(error.value) and "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    folder = tiny.pair(tmp_path / "pair")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(BadInput, match=r"no tokenizer\.json in it"):
        OnnxPair(folder)


@pytest.mark.parametrize("file", ["image.onnx", "text.onnx", "tokenizer.json"])
@pytest.mark.parametrize("sealed", [False, True])
def test_a_file_that_went_away_before_it_was_loaded_is_named(tmp_path, pictures, file, sealed):
    folder = tiny.pair(tmp_path / "pair")
    if sealed:
        seal(folder)
    encoder = OnnxPair(folder)
    (folder / file).unlink()
    with pytest.raises(BadInput, match=rf"{file}: (not readable|onnxruntime does not read it) \("):
        encoder.encode_images(pictures[:1]) if file == "image.onnx" else encoder.encode_texts(TEXTS)


def test_networks_that_do_not_fit_their_card_or_tokenizer_are_told(tmp_path, pictures, capfd):
    folder = tiny.pair(tmp_path / "pair")
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"dims": 17}))
    with pytest.raises(BadInput, match="the card says 17 dims"):
        OnnxPair(folder).encode_texts(["a dog"])
    (folder / "card.json").write_text(json.dumps(card | {"image": {"side": 32}}))
    with pytest.raises(BadInput, match=r"image\.onnx takes \['n', 24, 24, 3\]"):
        OnnxPair(folder).encode_images(pictures[:1])
    (folder / "card.json").write_text(json.dumps(card))
    (folder / "text.onnx").write_bytes((folder / "image.onnx").read_bytes())
    with pytest.raises(BadInput, match=r"text\.onnx takes pixels tensor\(uint8\)"):
        OnnxPair(folder).encode_texts(["a dog"])
    tiny.image_tower(folder / "image.onnx", 0, raw=False)
    with pytest.raises(BadInput, match="image has no mean and std"):
        OnnxPair(folder).encode_images(pictures[:1])
    tiny.pair(folder)
    told = json.loads((folder / "tokenizer.json").read_text())
    told["model"]["vocab"]["dog"] = 999
    (folder / "tokenizer.json").write_text(json.dumps(told))
    with pytest.raises(BadInput, match=r"text\.onnx does not run"):
        OnnxPair(folder).encode_texts(["a dog"])
    assert capfd.readouterr() == ("", ""), "onnxruntime has nothing to add"


def test_a_network_of_one_text_at_a_time_reads_several_one_by_one(tmp_path):
    folder = tiny.pair(tmp_path / "pair", mask=True)
    rows = OnnxPair(folder).encode_texts(TEXTS)

    def fix(size):
        return lambda entries: [setattr(entry.type.tensor_type.shape.dim[0], "dim_value", size) for entry in entries]

    changed(folder / "text.onnx", fix(1))
    assert np.allclose(OnnxPair(folder).encode_texts(TEXTS), rows, atol=1e-6)
    changed(folder / "text.onnx", fix(2))
    with pytest.raises(BadInput, match=r"text\.onnx takes 2 texts at a time; export it for any number"):
        OnnxPair(folder).encode_texts(["a dog"])


def test_a_mask_is_known_by_its_name_wherever_it_stands(tmp_path):
    folder = tiny.pair(tmp_path / "pair", mask=True)
    rows = OnnxPair(folder).encode_texts(TEXTS)
    changed(folder / "text.onnx", lambda entries: entries.reverse())
    assert np.array_equal(OnnxPair(folder).encode_texts(TEXTS), rows)


def test_a_card_may_name_outputs_padding_cleaning_and_how_many_at_a_time(tmp_path, pictures):
    folder = tiny.pair(tmp_path / "pair")
    before = OnnxPair(folder)
    digest, images, texts = (
        before.digest,
        before.encode_images(pictures),
        before.encode_texts(["a red", "dog", "", "the sea"]),
    )
    card = json.loads((folder / "card.json").read_text())
    for file in ("image.onnx", "text.onnx"):
        network = onnx.load(folder / file)
        network.graph.output.insert(
            0, onnx.helper.make_empty_tensor_value_info({"image.onnx": "flat"}.get(file, "total"))
        )
        onnx.save(network, folder / file)
    card["image"] |= {"output": "rows", "batch": 1}
    card["text"] |= {"output": "rows", "batch": 2, "clean": "canonicalize"}
    (folder / "card.json").write_text(json.dumps(card))
    encoder = OnnxPair(folder)
    assert np.allclose(encoder.encode_images(pictures), images, atol=1e-6)
    asked = ["A  red.", "dog", "", "the sea!"]
    assert np.allclose(encoder.encode_texts(asked), texts, atol=1e-6)
    assert encoder.digest != digest
    (folder / "card.json").write_text(json.dumps(card | {"text": {"length": 6, "output": "rows", "pad": 5}}))
    (expected,) = ReferenceEvaluator(onnx.load(folder / "text.onnx")).run(["rows"], {"ids": padded(6, 5)})
    assert np.allclose(OnnxPair(folder).encode_texts(TEXTS), unit(expected), atol=1e-6)


def test_numbers_and_what_does_not_decode_are_told(tmp_path, pictures):
    encoder = OnnxPair(tiny.pair(tmp_path / "pair"))
    with pytest.raises(
        BadInput, match=r"tiny looks at pictures, and was given .* give paths, open pictures, or pixels"
    ):
        encoder.encode_images(np.zeros((2, 3)))
    with pytest.raises(BadInput, match=r"was given an array \(2, 3, 4\) of uint8; give"):
        encoder.encode_images([np.zeros((2, 3, 4), np.uint8)])
    assert len(encoder.encode_images([np.zeros((2, 3, 3), np.uint8)])) == 1
    with pytest.raises(BadInput, match="tiny reads texts"):
        encoder.encode_texts([1, 2])
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    with pytest.raises(BadInput, match=r"broken\.jpg"):
        encoder.encode_images([*pictures, tmp_path / "broken.jpg"])


def test_many_pictures_go_to_an_accelerator_that_gives_what_the_processor_gives(tmp_path, monkeypatch, recwarn):
    folder = tiny.pair(tmp_path / "pair", raw=False)
    pixels = np.random.default_rng(0).integers(0, 256, (70, tiny.SIDE, tiny.SIDE, 3), dtype=np.uint8)
    rows, seen = OnnxPair(folder).encode_pixels(pixels), []

    class Accelerator:
        """A session of another network, which fails once it has seen so many batches."""

        def __init__(self, file, fails_after=9):
            self.session, self.left = networks.session(file, 1), fails_after
            self.get_inputs, self.get_outputs = self.session.get_inputs, self.session.get_outputs

        def get_providers(self):
            return ["CUDAExecutionProvider"]

        def run(self, outputs, feed):
            seen.append(len(next(iter(feed.values()))))
            self.left -= 1
            if self.left < 0:
                raise RuntimeError("out of memory")
            return self.session.run(outputs, feed)

    def use(session):
        opened = []
        monkeypatch.setattr(networks, "accelerated", lambda *_: opened.append(session) or session)
        encoder = OnnxPair(folder)
        for _ in range(2):
            assert np.allclose(encoder.encode_pixels(pixels), rows, atol=1e-6)
        assert len(encoder.encode_pixels(pixels[:1])) == 1 and len(opened) == 1, "it is asked for once"

    use(Accelerator(folder / "image.onnx"))
    assert seen == [1, 32, 32, 6, 32, 32, 6] and not recwarn.list, "one picture alone is seen by the processor"
    use(Accelerator(folder / "image.onnx", 2))
    assert "image.onnx runs on the processor and not on CUDA" in str(recwarn.pop().message)
    tiny.image_tower(tmp_path / "other.onnx", 5, raw=False)
    use(Accelerator(tmp_path / "other.onnx"))
    assert "not on CUDA: its rows are others" in str(recwarn.pop().message)
    use(Accelerator(folder / "image.onnx", 0))
    assert "out of memory" in str(recwarn.pop().message) and not recwarn.list
