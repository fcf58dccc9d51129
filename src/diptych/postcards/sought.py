"""Questions about postcards that take more than one step: a picture and a change, a dialogue, marks on what was shown.

Every question has its exact answers, by the oracle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from diptych.kinds import Ints, Listed, Sought
from diptych.postcards.oracle import Oracle
from diptych.postcards.scene import Scene
from diptych.postcards.words import Atom, change, tell


def composed(scenes: Sequence[Scene]) -> Sought:
    """A postcard and three or four changes at once: "the same but in autumn and with two white cats and …"."""
    return _changed(scenes, (3, 4))


def composed_once(scenes: Sequence[Scene]) -> Sought:
    """A postcard and one change: "the same but at night". Most of the picture stays as it is."""
    return _changed(scenes, (1,))


def dialogue(scenes: Sequence[Scene]) -> Sought:
    """One postcard that is meant, of which at first one thing is named: "a dog"."""
    texts = [tell([(Atom(kind=scene.things[0].kind, most=1),)]) for scene in scenes]
    return _asked(
        scenes,
        texts,
        [np.array([row]) for row in range(len(scenes))],
        None,
        "the one that is meant; a thing of it is named",
    )


def feedback(scenes: Sequence[Scene]) -> Sought:
    """Postcards that somebody has in mind by two of their sides and names by one: "a boat", of those in the harbour.

    There are 5 to 50 of them; which are meant shows in what is marked.
    """
    oracle, found = Oracle(scenes), dict[tuple[str, str], Ints]()
    for scene in scenes:
        place, time = Atom("place", scene.place), Atom("time", scene.time)
        kinds = [Atom(kind=group.kind) for group in scene.things]
        for said, unsaid in [(place, time), *((kind, other) for kind in kinds for other in (place, time))]:
            both = tell([(said,)]), tell([(unsaid,)])
            if both not in found:
                found[both] = oracle.answers(", ".join(both))
    kept = {both: rows for both, rows in found.items() if 5 <= len(rows) <= 50}
    note = "all that show two things, of which one is said: 5 to 50 of them"
    return _asked(scenes, [said for said, _ in kept], list(kept.values()), None, note)


def shortlist(scenes: Sequence[Scene]) -> Sought:
    """A caption of a postcard, and all postcards that it is true of."""
    oracle = Oracle(scenes)
    texts = [scene.captions[0] for scene in scenes]
    return _asked(scenes, texts, [oracle.answers(text) for text in texts], None, "all that a caption is true of")


PROTOCOLS: dict[str, Callable[[Sequence[Scene]], Sought]] = {
    "composed": composed,
    "composed_once": composed_once,
    "dialogue": dialogue,
    "feedback": feedback,
    "shortlist": shortlist,
}


def _changed(scenes: Sequence[Scene], numbers: Sequence[int]) -> Sought:
    """For each scene one that differs from it in so many things, drawn by its row, where there is one."""
    oracle, texts, answers, reference = Oracle(scenes), [], [], []
    for row, scene in enumerate(scenes):
        others = np.flatnonzero(np.isin(oracle.differences(row), numbers))
        if len(others):
            text = change(scene, scenes[np.random.default_rng([row, 19]).choice(others)])
            right = oracle.answers(text, like=row)
            texts.append(text)
            answers.append(right[right != row])
            reference.append(row)
    said = " or ".join(map(str, numbers))
    note = f"a picture, {said} change{'s' * (said != '1')}; the picture itself is no answer"
    return _asked(scenes, texts, answers, np.array(reference, dtype=np.int64), note)


def _asked(
    scenes: Sequence[Scene], texts: Sequence[str], answers: Sequence[Ints], reference: Ints | None, note: str
) -> Sought:
    rows = np.repeat(np.arange(len(answers)), [len(answer) for answer in answers])
    items = np.concatenate(answers) if answers else np.zeros(0, dtype=np.int64)
    ids = tuple(f"{scene.index:05d}" for scene in scenes)
    return Sought((), tuple(texts), Listed(rows, items, tuple(map(str, range(len(texts)))), ids), reference, note=note)
