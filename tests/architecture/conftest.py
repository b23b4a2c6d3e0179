import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("messages", "recon", "thermometry", "motion", "simulators", "realtime")


def source_files(*packages):
    files = [file for name in packages for file in sorted((ROOT / name).rglob("*.py"))]
    assert files, f"no source under {packages}"
    return files


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def product():
    """Each product file's path, relative to the root, and its syntax tree."""
    return {
        file.relative_to(ROOT).as_posix(): ast.parse(file.read_text(encoding="utf-8"))
        for file in source_files(*PACKAGES)
    }
