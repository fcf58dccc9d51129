"""How well the bundled encoder finds, and how fast: on data that it was not trained on, in $DIPTYCH_DATA.

Flickr8k dev, COCO val2017 dev, emoji and postcards under their protocols; 40 plain queries on Flickr8k dev, of which
an answer counts where a caption of the picture has the words; 60 queries for two things at once on postcards, whose
answers are known; pictures a second from 640-pixel JPEGs; milliseconds a query.

python bench/mini.py [--model mini] [--json]
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from diptych import catalogue, postcards
from diptych.encoders import shelf
from diptych.flow.evaluate import evaluate

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


def speed(model: str, count: int = 600) -> dict[str, float]:
    """Pictures a second, decoding included, from JPEGs of 640 pixels; milliseconds a warm query."""
    from diptych.collection import Collection

    rng = np.random.default_rng(0)
    sources = [Path(path) for path in catalogue.dataset("flickr8k").read("dev").images]
    with tempfile.TemporaryDirectory() as folder:
        for at in range(count):
            with Image.open(sources[at % len(sources)]) as image:
                large = np.asarray(image.convert("RGB").resize((640, 480), Image.Resampling.BICUBIC)).astype(np.int16)
            grain = rng.integers(-8, 9, large.shape)  # as heavy to decode as a photograph of that size
            Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8)).save(Path(folder, f"{at}.jpg"), quality=88)
        with Collection.open(Path(folder, ".diptych"), model, write=True) as collection:
            start = time.perf_counter()
            collection.add(folder)
            spent = time.perf_counter() - start
    encoder = shelf.open(model)
    queries = list(QUERIES) * 5
    encoder.encode_texts(queries[:1])
    start = time.perf_counter()
    for query in queries:
        encoder.encode_texts([query])
    return {"pictures/s": count / spent, "ms/query": 1000 * (time.perf_counter() - start) / len(queries)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    facts: dict[str, object] = {}
    for dataset in ("flickr8k", "coco_val2017", "emoji", "postcards"):
        protocols = [protocol for protocol in catalogue.dataset(dataset).card.protocols if protocol.relevance == "pair"]
        for protocol in protocols:
            report = evaluate(asked.model, dataset, protocol=protocol.name).report
            facts[f"{dataset}, {protocol.name}"] = {
                way: {k: round(values[k], 4) for k in ("r@1", "r@5", "r@10")}
                for way, values in (("i2t", report.i2t), ("t2i", report.t2i))
            } | {"chance r@10": round(10 / report.counts["images"], 4)}
    found = precision(asked.model)
    facts["precision@10"] = found
    facts["precision@10, mean of 40"] = round(float(np.mean(list(found.values()))), 3)
    both = two_at_once(asked.model)
    facts["precision@10, two at once"] = both
    facts["precision@10, mean of 60"] = round(float(np.mean([kind["mean"] for kind in both.values()])), 3)
    facts |= speed(asked.model)
    if asked.json:
        print(json.dumps(facts, indent=1))
    else:
        for name, fact in facts.items():
            print(f"{name}: {fact}")


if __name__ == "__main__":
    main()
