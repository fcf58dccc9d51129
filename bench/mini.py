"""How well the bundled encoder finds, and how fast: on data that it was not trained on, in $DIPTYCH_DATA.

Flickr8k dev, COCO val2017 dev, emoji and postcards under their protocols; 40 plain queries on Flickr8k dev, of which
an answer counts where a caption of the picture has the words; 60 queries for two things at once on postcards, whose
answers are known; pictures a second from JPEGs of 640 pixels and of a telephone, and where the time goes; milliseconds
a query.

python bench/mini.py [--model mini] [--json] [--speed]
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import processes
from PIL import Image

from diptych import catalogue, postcards
from diptych.collection import Collection, ingest
from diptych.encoders import shelf
from diptych.flow.evaluate import evaluate
from diptych.kinds import batches
from diptych.sources import decoders, pictures
from diptych.sources.metadata import embedded
from diptych.sources.pictures import Preprocessing

QUERIES = {
    "a dog": ["dogs?|pupp(y|ies)"],
    "a black dog": ["black (and \\w+ )?(dogs?|labs?|pupp(y|ies))"],
    "a dog running in the snow": ["dogs?", "snow\\w*"],
    "a dog swimming": ["dogs?", "swim\\w*|water"],
    "a ball": ["balls?|football|basketball|baseball|soccer"],
    "a bird": ["birds?|ducks?|geese|(sea)?gulls?|pigeons?"],
    "a river or a lake": ["rivers?|lakes?|ponds?|creeks?|streams?|water"],
    "a man riding a bicycle": ["bik(e|es|er|ers|ing)|bicycl\\w+|cyclists?"],
    "a motorcycle": ["motorcycl\\w+|motorbikes?|motocross|dirt ?bikes?"],
    "a car": ["cars?|vehicles?|jeeps?|trucks?"],
    "a race": ["rac(e|es|ing|er|ers)"],
    "a boat": ["boats?|canoes?|kayaks?|ships?|rafts?"],
    "kayaking": ["kayak\\w*|canoe\\w*|raft\\w*|paddl\\w+"],
    "surfing": ["surf\\w*"],
    "a skateboard": ["skateboard\\w*|skater"],
    "snowboarding": ["snowboard\\w*"],
    "skiing": ["ski|skis|skier\\w*|skiing"],
    "playing football": ["football"],
    "soccer": ["soccer"],
    "basketball": ["basketball"],
    "baseball": ["baseball"],
    "tennis": ["tennis"],
    "a child on a swing": ["swings?|swinging"],
    "a playground": ["playgrounds?|slides?|swings?"],
    "a swimming pool": ["pools?"],
    "the beach": ["beach\\w*|ocean|sea|shore"],
    "waves": ["waves?|surf\\w*"],
    "mountains": ["mountains?|cliffs?|hills?|peaks?"],
    "rock climbing": ["climb\\w*"],
    "snow": ["snow\\w*|ski\\w*|sled\\w*"],
    "someone jumping": ["jump\\w*|leap\\w*|air"],
    "a building": ["buildings?|houses?"],
    "grass": ["grass\\w*|lawns?|fields?"],
    "a city street": ["streets?|city|sidewalks?|roads?"],
    "a crowd of people": ["crowds?|crowded|groups?|many"],
    "two girls": ["(two|2) (\\w+ )?(girls|women|ladies|children|kids)"],
    "a baby": ["bab(y|ies)|toddlers?|infants?"],
    "a woman wearing sunglasses": ["(sun)?glasses"],
    "a guitar": ["guitar\\w*|band|music\\w*"],
    "a bench": ["bench\\w*"],
}
"""What is asked, and the words that say in a caption that it is there: some of each line of them."""

TWO_AT_ONCE = {
    "colour and thing": (
        "a white house, a pink house, a green house, a red tree, a green tree, a white windmill, a blue windmill, "
        "a red balloon, a yellow balloon, a purple kite, a black bird, a white bird, a black car, a red car, "
        "a blue bicycle, a green umbrella, a brown horse, an orange dog, a black cat, a red flower"
    ),
    "number and thing": (
        "two houses, four trees, two windmills, two boats, four boats, two balloons, four balloons, three kites, "
        "two birds, four birds, two cars, three cars, three bicycles, three umbrellas, three horses, two sheep, "
        "four sheep, three dogs, three cats, four people"
    ),
    "place and time": (
        "a beach by day, a beach at dusk, a beach at night, a harbour at dawn, a harbour at night, mountains at dawn, "
        "mountains by day, mountains at night, a forest at dawn, a forest by day, a farm at dawn, a farm by day, "
        "a farm at night, a village by day, a village at night, a city at dawn, a city at dusk, a city at night, "
        "a desert by day, a desert at dusk"
    ),
}
"""Twenty queries of each kind; each has ten answers or more among the postcards of the test."""

JPEGS = {"640 x 480": ((640, 480), 88, 600), "12 megapixels": ((4032, 3024), 90, 60)}
"""Their size, quality, and how many there are."""


def precision(model: str) -> dict[str, float]:
    """Precision@10 of each query over the pictures of Flickr8k dev."""
    dev = catalogue.dataset("flickr8k").read("dev")
    encoder = shelf.open(model)
    scores = encoder.encode_texts(list(QUERIES)) @ encoder.encode_images(dev.images).T
    found = {}
    for (query, asked), row in zip(QUERIES.items(), scores, strict=True):
        patterns = [re.compile(rf"\b({words})\b") for words in asked]
        there = np.zeros(dev.n_images, dtype=bool)
        there[dev.owner[[all(pattern.search(text.lower()) for pattern in patterns) for text in dev.texts]]] = True
        found[query] = float(there[np.argsort(-row)[:10]].mean())
    return found


def two_at_once(model: str) -> dict[str, dict[str, float]]:
    """By kind, the precision@10 of each query of TWO_AT_ONCE over the test's postcards, and what chance would give."""
    test = catalogue.dataset("postcards").read("test")
    lines = Path(test.images[0]).parents[1].joinpath("scenes.jsonl").read_text(encoding="utf-8").splitlines()
    oracle = postcards.Oracle([postcards.Scene.read(json.loads(line)) for line in lines])
    encoder = shelf.open(model)
    pictures = encoder.encode_images(test.images)
    found = {}
    for kind, asked in TWO_AT_ONCE.items():
        queries = asked.split(", ")
        right = [np.isin(np.arange(test.n_images), oracle.answers(query)) for query in queries]
        scores = encoder.encode_texts(queries) @ pictures.T
        each = [float(there[np.argsort(-row)[:10]].mean()) for there, row in zip(right, scores, strict=True)]
        found[kind] = {"mean": round(float(np.mean(each)), 3), "chance": round(float(np.mean(right)), 3)}
        found[kind] |= dict(zip(queries, each, strict=True))
    return found


def photographs(folder: Path, size: tuple[int, int], quality: int, count: int) -> None:
    """JPEGs with EXIF, and with grain that makes them as heavy to decode as those of a camera."""
    rng = np.random.default_rng(0)
    sources = [Path(path) for path in catalogue.dataset("flickr8k").read("dev").images]
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", "Model"
    exif.get_ifd(0x8769).update({0x9003: "2024:05:01 12:30:00", 0x927C: bytes(2000)})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 15.0), 3: "E", 4: (11.0, 34.0, 30.0)})
    for at in range(count):
        with Image.open(sources[at % len(sources)]) as image:
            large = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
        large += rng.integers(-8, 9, large.shape, dtype=np.int16)
        picture = Image.fromarray(np.clip(large, 0, 255).astype(np.uint8))
        picture.save(folder / f"{at}.jpg", quality=quality, exif=exif)


@contextmanager
def clocked(spent: Counter[str], **functions: tuple[Any, str]) -> Iterator[None]:
    """Within it, the seconds of a processor that a thread is in these functions are added up under their names."""

    def timed(what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **named: Any) -> Any:
            start = time.thread_time()
            try:
                return call(*args, **named)
            finally:
                spent[what] += time.thread_time() - start

        return run

    with ExitStack() as stack:
        for what, (of, name) in functions.items():
            stack.enter_context(mock.patch.object(of, name, timed(what, getattr(of, name))))
        yield


def indexed(model: str, folder: Path) -> dict[str, Any]:
    """Pictures a second of a first `add` of the JPEGs in a folder, and the milliseconds of CPU that one costs.

    `all` is what the `add` took, with its workers; `storing` is of it, too. What a worker does with a file is done once
    more here, by the same function, and so is what the network does. `the rest` is what is left: workers that start,
    what is said to them, the walk over the folder, the measure that verdicts take of the collection.
    """
    encoder = shelf.open(model)
    files = sorted(map(str, folder.glob("*.jpg")))
    encoder.encode_images(files[:8])
    spent: Counter[str] = Counter()
    with Collection.open(folder / ".diptych", encoder, write=True) as collection:
        start, before = time.perf_counter(), processes.computed()
        with clocked(spent, take=(ingest._Work, "take"), encode=(encoder, "encode_pixels")):
            collection.add(folder)
        seconds, whole = time.perf_counter() - start, processes.computed() - before
    parts = {"storing": spent["take"] - spent["encode"]}
    steps = {"words": (embedded, "read"), "decode": (pictures, "loaded"), "resize": (Preprocessing, "square")}
    with clocked(spent, look=(decoders, "look"), **steps):
        pixels = [decoders.look(file, (), encoder.preprocessing).pixels for file in files]
    parts |= {"read, hash": spent["look"] - sum(spent[step] for step in steps), "words, EXIF": spent["words"]}
    parts |= {step: spent[step] for step in ("decode", "resize")}
    start = time.process_time()
    for some in batches(pixels, ingest.BATCH):
        encoder.encode_pixels(np.stack(some))
    parts["network"] = time.process_time() - start
    parts |= {"the rest": whole - sum(parts.values()), "all": whole}
    return {
        "pictures/s": round(len(files) / seconds, 1),
        "CPU ms a picture": {part: round(1000 * took / len(files), 2) for part, took in parts.items()},
    }


def speed(model: str) -> dict[str, Any]:
    """Of JPEGs of 640 pixels and of a telephone what `indexed` tells; milliseconds a warm query."""
    facts: dict[str, Any] = {}
    for name, kind in JPEGS.items():
        with tempfile.TemporaryDirectory() as folder:
            photographs(Path(folder), *kind)
            facts[name] = indexed(model, Path(folder))
    encoder = shelf.open(model)
    queries = list(QUERIES) * 5
    encoder.encode_texts(queries[:1])
    start = time.perf_counter()
    for query in queries:
        encoder.encode_texts([query])
    return facts | {"ms/query": 1000 * (time.perf_counter() - start) / len(queries)}


def found(model: str) -> dict[str, Any]:
    """How well it finds."""
    facts: dict[str, Any] = {}
    for dataset in ("flickr8k", "coco_val2017", "emoji", "postcards"):
        protocols = [protocol for protocol in catalogue.dataset(dataset).card.protocols if protocol.relevance == "pair"]
        for protocol in protocols:
            report = evaluate(model, dataset, protocol=protocol.name).report
            facts[f"{dataset}, {protocol.name}"] = {
                way: {k: round(values[k], 4) for k in ("r@1", "r@5", "r@10")}
                for way, values in (("i2t", report.i2t), ("t2i", report.t2i))
            } | {"chance r@10": round(10 / report.counts["images"], 4)}
    each = precision(model)
    facts["precision@10"] = each
    facts["precision@10, mean of 40"] = round(float(np.mean(list(each.values()))), 3)
    both = two_at_once(model)
    facts["precision@10, two at once"] = both
    facts["precision@10, mean of 60"] = round(float(np.mean([kind["mean"] for kind in both.values()])), 3)
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--speed", action="store_true", help="measure only that")
    asked = parser.parse_args()
    facts = ({} if asked.speed else found(asked.model)) | speed(asked.model)
    if asked.json:
        print(json.dumps(facts, indent=1))
    else:
        for name, fact in facts.items():
            print(f"{name}: {fact}")


if __name__ == "__main__":
    main()
