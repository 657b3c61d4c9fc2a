"""The benchmarks lie beside the tests, in no package that is installed."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

if (ROOT / "benchmarks").exists():
    sys.path.append(str(ROOT))
else:  # a source distribution comes without them
    collect_ignore_glob = ["test_*.py"]
