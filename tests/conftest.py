"""Lets every test import the small worlds that some of them live in."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "worlds"))
