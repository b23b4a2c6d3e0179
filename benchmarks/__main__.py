"""Every benchmark in turn: `.venv/bin/python -m benchmarks [--write] [--quick]`."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def main() -> int:
    """Return 0 where each of them could measure."""
    scripts = sorted(path for path in FOLDER.glob("*.py") if not path.name.startswith("_"))
    status = 0
    for script in scripts:
        print(f"== benchmarks/{script.name}", flush=True)
        done = subprocess.run([sys.executable, str(script), *sys.argv[1:]], check=False)
        status = max(status, int(done.returncode != 0))
    return status


if __name__ == "__main__":
    sys.exit(main())
