"""Lets the tests of alerts share their state, numbers and receivers."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # `receivers.py` and `watching.py` are imported by their full names
