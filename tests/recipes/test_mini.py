"""The recipe of the bundled encoder, at a size of toys: what it exports is what it trained."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

RECIPE = Path(__file__).parents[2] / "recipes" / "mini"


@pytest.fixture(scope="module")
def recipe():
    """The modules of the recipe, which import each other as scripts in one folder do."""
    sys.path.insert(0, str(RECIPE))
    try:
        import export
        import pictures
        import student
        import words

        yield {"export": export, "pictures": pictures, "student": student, "words": words}
    finally:
        sys.path.remove(str(RECIPE))
        for name in ("export", "pictures", "student", "words", "taught", "train"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def eyes(recipe):
    """A student after a little training on 48 pictures of one of four colours, each with a map of its own."""
    from diptych.kinds import Pairs

    rng = np.random.default_rng(0)
    kind = np.arange(48) % 4
    pixels = np.clip(rng.integers(0, 255, (4, 1, 1, 3))[kind] + rng.integers(-20, 20, (48, 144, 144, 3)), 0, 255)
    maps = rng.random((4, 64, recipe["pictures"].WIDTH))[kind] + 0.1 * rng.random((48, 64, recipe["pictures"].WIDTH))
    pairs = Pairs(pixels.astype(np.uint8), maps.astype(np.float16))
    made = recipe["student"].Distil(
        widths=(8, 8, 8, 8, 16), depths=(1, 1, 1, 1), widen=2, sides=(64,), epochs=3, batch=16
    )
    return replace(made, held_out=0.0).fit(pairs), pairs


def test_the_student_comes_nearer_to_its_teacher(eyes):
    epochs = eyes[0].training_["epochs"]
    assert epochs[-1]["whole"] < epochs[0]["whole"]


def test_the_map_of_the_teacher_is_read_where_the_student_looks(recipe):
    """A map that says where each cell is, read through a view, gives the places that the view shows."""
    net = recipe["student"].Student((8, 8, 8), (1, 1), 1)
    net.side = 64
    cells = (2 * torch.arange(8) + 1) / 8 - 1
    across, down = cells.repeat(8), cells.repeat_interleave(8)
    pictures = torch.stack(
        [cells.repeat_interleave(18).expand(144, 144), cells.repeat_interleave(18)[:, None].expand(144, 144)]
    )
    torch.manual_seed(3)
    plain = torch.cat([pictures, pictures[:1]]).expand(6, 3, 144, 144)
    net.cropped(plain)
    weights = net.reading(4)
    grid = torch.nn.functional.affine_grid(net._affine(), [6, 1, 4, 4], align_corners=False)
    for axis, cell in ((0, across), (1, down)):
        expected = grid[..., axis].flatten(1).clamp(cells[0], cells[-1])
        torch.testing.assert_close(weights @ cell, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(6, 16))


def test_what_is_exported_is_what_was_trained(recipe, eyes, tmp_path):
    from diptych.encoders import shelf

    lexicon = small_lexicon(recipe)
    look = recipe["words"].Look(torch.zeros(recipe["pictures"].WIDTH), 8, 16, 0.5)
    bag = recipe["words"].Bag(torch.from_numpy(lexicon.meanings), 16, 0.3)
    torch.nn.init.normal_(bag.own.weight)
    net = eyes[0].trained().images
    least = recipe["export"].write(tmp_path, net, look.eval(), bag, lexicon.tokenizer)
    assert min(least.values()) > 0.999

    encoder = shelf.open(tmp_path)
    texts = ["A dog runs.", "zqx", "red  DOG, dogs!", ""]
    with torch.no_grad():
        expected = torch.nn.functional.normalize(bag.eval()(torch.from_numpy(lexicon.read(texts))), dim=-1).numpy()
    np.testing.assert_allclose(encoder.encode_texts(texts), expected, atol=2e-3)
    assert json.loads((tmp_path / "card.json").read_text())["dims"] == 16


def test_a_word_that_no_text_had_is_read_by_its_pieces_or_means_nothing(recipe):
    lexicon = small_lexicon(recipe)
    read = [lexicon.tokenizer.encode(text).tokens for text in ("Dogs", "snow-boarding", "ζ")]
    assert read == [["dog", "##s"], ["snow", "boarding"], ["[UNK]"]]
    bag = recipe["words"].Bag(torch.from_numpy(lexicon.meanings), 16, 0.3).eval()
    assert not bag(torch.from_numpy(lexicon.read(["ζ"]))).any()


def small_lexicon(recipe):
    words = recipe["words"]
    made = words.tokenizer(["dog", "snow", "boarding", "red", "runs"], ["a dog", "a red dog"])
    meanings = np.random.default_rng(0).standard_normal((made.get_vocab_size(), 50)).astype(np.float32)
    meanings[:2] = 0
    return words.Lexicon(made, meanings, ["dog", "snow"], np.eye(2, dtype=np.float32))
