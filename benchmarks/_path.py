"""Puts the repository first on the path: here a script has the name of a package, `thermometry`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
