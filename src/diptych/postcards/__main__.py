"""Paints the scenes that standard input tells of, a line of `scenes.jsonl` each: `python -m … FOLDER SEED`.

`write` runs several of these.
"""

import json
import sys
from pathlib import Path

from diptych.postcards import Scene, save

if __name__ == "__main__":
    folder, seed = sys.argv[1:]
    save(Path(folder), int(seed), (Scene.read(json.loads(line)) for line in sys.stdin))
