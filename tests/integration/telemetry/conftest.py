"""Makes the tests' own receiver importable, as `tests.integration.telemetry.otlp_receiver`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
