"""Paints some scenes of a folder: `python -m diptych.sources.postcards FOLDER SEED NUMBER...`. `write` runs several."""

import sys
from pathlib import Path

from diptych.sources.postcards import load, save

if __name__ == "__main__":
    folder, seed, *numbers = sys.argv[1:]
    wanted = set(map(int, numbers))
    save(Path(folder), int(seed), (scene for scene in load(folder) if scene.index in wanted))
