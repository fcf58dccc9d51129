"""Lets the tests of this folder import `metric_oracles`, which several of them compare with."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
