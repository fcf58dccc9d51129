"""How often "no good match" is right: things that are there against things that are not, on a collection of pictures.

There: whole captions, and noun phrases that two captions of one picture agree on. The captions are held out: the
collection has the pictures alone, so that no keyword helps.
Not there: gibberish, and phrases about offices, money, medicine, machines, animals and ideas, of which no caption holds
a telling word; nor do the things that the collection is measured with.

    python bench/verdicts.py --model FOLDER [--dataset flickr8k] [--weak .8] [--match .97] [--kind words] [--json]

Without --weak a table tells both rates for several operating points. --kind:
composed   each thing and the next as `thing + thing`
denied     `thing - thing`, the second one being there
excluded   `thing NOT thing`, the second one being there
filtered   with a filter that a third of the pictures pass, that with the thing among them
pictured   `./picture.jpg + thing`, with a picture of the collection
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from diptych import catalogue
from diptych.collection import Collection, Entry
from diptych.collection.background_queries import rare
from diptych.collection.search import STOP_WORDS
from diptych.collection.verdict import MATCH
from diptych.kinds import Pairs

ABSENT = """
quarterly tax return; balance sheet; mortgage agreement; stock market chart; payroll report; audit committee;
insurance claim form; credit card statement; pension fund; venture capital pitch; purchase order; legal contract;
patent drawing; board meeting minutes; organisational chart; pie chart; business plan; sales forecast; profit margin;
interest rate; blood test result; x-ray of a broken rib; chest radiograph; ultrasound scan; electrocardiogram; dental
implant; kidney stone; vaccine vial; hospital ward; surgical scalpel; microscope slide of bacteria; prescription
pills; hearing aid; brain tumour; insulin pump; stethoscope; colonoscopy; retina scan; anatomy diagram; dialysis
machine; pathology report; source code on a screen; command line terminal; database schema; login page; error message;
wifi router; motherboard; graphics card; hard disk; fibre optic cable; mainframe computer; usb stick; spreadsheet
formula; email inbox; web browser; transistor; capacitor; 3d printer; drone circuit; satellite dish; radar station;
wind turbine; solar panel; power transformer; hydroelectric dam; gas pipeline; uranium; petroleum refinery; cement
factory; steel mill; assembly line; forklift; crane hook; bulldozer blade; excavator; drill press; milling machine;
welding torch; gearbox; crankshaft; turbocharger; carburettor; spark plug; exhaust manifold; jet engine; helicopter
cockpit; zeppelin; biplane; space shuttle; moon rover; mars landscape; saturn rings; black hole; supernova; nebula;
milky way; solar flare; asteroid; world map; globe of the earth; chess grandmaster; sudoku; tarot cards; roulette
wheel; slot machine; casino dealer; poker chips; dice; mahjong tiles; domino; abacus; slide rule; protractor;
microscope; bunsen burner; test tube; petri dish; dna helix; benzene molecule; mathematical proof; differential
equation; philosophy; justice; inflation; democracy; quantum mechanics; probability distribution; grammar rules;
medieval manuscript; hieroglyphs; cave painting; oil portrait of a king; marble bust; mosaic floor; stained glass;
gothic cathedral; mosque minaret; buddhist stupa; roman aqueduct; viking longship; samurai sword; crossbow; catapult;
musket; machine gun; submarine periscope; torpedo; missile launch; nuclear explosion; trench warfare; concentration
camp; parliament session; royal coronation; papal mass; bar mitzvah; funeral coffin; cemetery tombstone; dinosaur
skeleton; mammoth; trilobite; termite mound; ant colony; cockroach; mosquito; tapeworm; slug; jellyfish bloom; squid;
lobster; oyster pearl; sea urchin; starfish; manta ray; hammerhead shark; tuna; piranha; salmon ladder; iguana; gecko;
cobra; anaconda; komodo dragon; tortoise shell; newt; toad; bat cave; mole; beaver lodge; otter; moose; bison herd;
yak; llama; lemur; gorilla; orangutan; chimpanzee; hyena; jaguar; lynx; wolverine; pelican; toucan; woodpecker;
hummingbird; owl; eagle nest; falcon; stork; cactus flower; bonsai; orchid; venus flytrap; bamboo; mangrove; baobab;
wheat silo; tobacco leaf; cotton bale; coffee roaster; tea plantation; sushi platter; lasagne; croissant; caviar;
fondue; paella; pretzel; cheese wheel; honeycomb; whisky distillery; champagne cork; espresso machine; dishwasher;
washing machine; vacuum cleaner; lawn sprinkler; chandelier; grandfather clock; fireplace mantel; wardrobe; bathtub;
toilet; faucet; mattress; curtain rail; wallpaper pattern; doorbell; keyhole; padlock; safe deposit; stapler; paper
clip; fountain pen; ink bottle; calligraphy; typewriter ribbon; envelope; postage stamp; fax machine; photocopier
"""
"""Phrases, some of which the captions of a dataset may hold; those are passed over."""

POINTS = (0.7, 0.75, 0.8, 0.85, 0.9)

Said = dict[str, list[str]]
"""Picture -> its captions."""


def words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def stem(word: str) -> str:
    """Near enough to know `dogs` for `dog` and `painting` for `painted`."""
    return re.sub(r"(ies|es|s|ing|ed|er|y|e)$", "", word) if len(word) > 3 else word


def stems(texts: list[str]) -> set[str]:
    return {stem(word) for text in texts for word in words(text) if word not in STOP_WORDS}


def gibberish(rng: np.random.Generator, n: int) -> list[str]:
    """Words that nobody has, half of which can be spoken."""
    consonants, vowels = "bcdfghjklmnpqrstvwxz", "aeiou"

    def word(spoken: bool) -> str:
        length = int(rng.integers(4, 9))
        return "".join(rng.choice(list(vowels if spoken and at % 2 else consonants)) for at in range(length))

    return [" ".join(word(place % 2 == 0) for _ in range(int(rng.integers(1, 4)))) for place in range(n)]


def absent(said: Said, n: int, rng: np.random.Generator) -> list[str]:
    """At least a fifth of it gibberish."""
    known = stems([text for texts in said.values() for text in texts] + rare())
    free = [phrase for phrase in (" ".join(each.split()) for each in ABSENT.split(";")) if not stems([phrase]) & known]
    nonsense = gibberish(rng, max(n // 5, n - len(free)))
    return [*rng.permutation(free)[: n - len(nonsense)].tolist(), *nonsense]


_NOUNS = re.compile(
    r"\b(?:an?|the|two|three|some)\s+((?:[a-z]+\s)?[a-z]+)\s+(?:in|on|with|of|is|are|and|at|by|near|through|over|down)\b"
)


_VAGUE = "air back background bottom center distance edge end front middle midst piece pile side top way"
VAGUE = frozenset(_VAGUE.split())
"""Nouns of places and measures: nobody looks for them."""


def present(said: Said, n: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """(query, a picture that shows it): half captions, half noun phrases."""
    nouns: dict[str, str] = {}
    for picture, texts in said.items():
        held = [phrase for text in texts for phrase in set(_NOUNS.findall(text.lower()))]
        agreed = {phrase for phrase in held if held.count(phrase) > 1 and not set(words(phrase)) & (STOP_WORDS | VAGUE)}
        nouns |= dict.fromkeys(agreed, picture)
    some = [(phrase, nouns[phrase]) for phrase in rng.permutation(sorted(nouns))[: n // 2].tolist()]
    whole = [(text, picture) for picture, texts in said.items() for text in texts]
    return some + [whole[place] for place in rng.choice(len(whole), n - len(some), replace=False)]


def written(text: str) -> str:
    """A text in the query language, whatever is in it."""
    return '"1:' + text.replace("\\", "").replace('"', "") + '"'


Kind = Callable[[str, str, str], str]
"""What makes a query of a thing, another one, and a picture."""

KINDS: dict[str, Kind] = {
    "words": lambda thing, _, picture: written(thing),
    "composed": lambda thing, other, picture: f"{written(thing)} + {written(other)}",
    "denied": lambda thing, other, picture: f"{written(thing)} - {written(other)}",
    "excluded": lambda thing, other, picture: f"{written(thing)} NOT {written(other)}",
    "filtered": lambda thing, _, picture: f"{written(thing)} third = {third(picture)}",
    "pictured": lambda thing, _, picture: f'"{picture}" + {written(thing)}',
}


def third(picture: str) -> int:
    return int.from_bytes(Path(picture).name.encode(), "big") % 3


def asked(kind: str, said: Said, n: int, seed: int) -> tuple[list[str], list[str]]:
    """n queries for what is there, and n for what is not."""
    rng = np.random.default_rng(seed)
    there, gone = present(said, n, rng), absent(said, n, rng)
    pictures = rng.choice(sorted(said), n).tolist()
    things_there = [thing for thing, _ in there]
    others = things_there[7:] + things_there[:7]
    # What is composed of two things is about two that are there, or two that are not.
    second = gone[7:] + gone[:7] if kind == "composed" else others
    shape = KINDS[kind]
    shown = [picture for _, picture in there] if kind == "filtered" else pictures
    return (
        [shape(thing, other, picture) for thing, other, picture in zip(things_there, others, shown, strict=True)],
        [shape(thing, other, picture) for thing, other, picture in zip(gone, second, pictures, strict=True)],
    )


def captions(pairs: Pairs) -> Said:
    said: Said = {str(picture): [] for picture in pairs.images}
    for owner, text in zip(pairs.owner.tolist(), pairs.texts, strict=True):
        said[str(pairs.images[owner])].append(str(text))
    return said


def rates(collection: Collection, there: list[str], gone: list[str], listed: bool) -> dict[str, float]:
    """The parts of both sides that are called what they should be."""
    found: list[list[str]] = []
    for side in (there, gone):
        answers = [collection.search(query, keywords=0) for query in side]
        found.append([answer.verdict for answer in answers])
        if listed:
            for answer in answers:
                print(f"{'there' if side is there else 'absent'}\t{answer.verdict}\t{answer.query}")
    return {
        "there, match or weak": float(np.mean([verdict in ("match", "weak") for verdict in found[0]])),
        "there, match": float(np.mean([verdict == "match" for verdict in found[0]])),
        "absent, no good match": float(np.mean([verdict == "none" for verdict in found[1]])),
        "absent, match": float(np.mean([verdict == "match" for verdict in found[1]])),
        "unrated": float(np.mean([verdict == "unrated" for verdict in found[0] + found[1]])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", required=True, help="what `diptych index --model` takes")
    parser.add_argument("--dataset", default="flickr8k")
    parser.add_argument("--split", default="", help="by default the one that the dataset's first protocol asks")
    parser.add_argument("--kind", choices=KINDS, default="words")
    parser.add_argument("--queries", type=int, default=200, help="of each side")
    parser.add_argument("--weak", type=float, help="the part of absent things that is to be left below weak")
    parser.add_argument("--match", type=float, default=MATCH, help="the part of absent things left below match")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="print each query with its verdict")
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()

    dataset = catalogue.dataset(told.dataset)
    said = captions(dataset.read(told.split or dataset.card.protocols[0].query))
    there, gone = asked(told.kind, said, told.queries, told.seed)
    rows: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory() as home,
        Collection.open(Path(home) / "collection", told.model, write=True) as collection,
    ):
        collection.add(*said)
        collection.put(
            Entry(collection.get(id).path, metadata={"third": third(collection.get(id).path)})
            for id in collection.ids()
        )
        for weak in [told.weak] if told.weak else POINTS:
            measured = collection.calibrate(weak, told.match)
            rows.append({"weak": weak, **rates(collection, there, gone, told.list)})
            if measured.text:
                rows[-1]["measured false rate"] = measured.text.false_weak
    if told.json:
        print(json.dumps({"model": told.model, "dataset": told.dataset, "kind": told.kind, "rates": rows}))
        return
    print(f"{told.kind}, {len(there)} there and {len(gone)} absent, on {len(said)} pictures of {told.dataset}")
    for row in rows:
        print("   ".join(f"{name} {value:.3f}" for name, value in row.items()))


if __name__ == "__main__":
    main()
