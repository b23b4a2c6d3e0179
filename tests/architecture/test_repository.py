"""What a stranger's clone holds: no machine's paths, no registry, versions that fit the ranges."""

import re
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

# put together here so that this file does not hold what it looks for
MACHINE = re.compile("|".join(f"/{name}/" for name in ("work", "root", "farm", "home")))
REGISTRY = re.compile(
    "|".join(("pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs", "--index" + "-url"))
)
OWN_VENV = "/tmp/" + "venv"


@pytest.fixture(scope="module")
def tracked(root):
    """Path and text of each tracked text file."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, check=False, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    texts = {}
    for name in filter(None, listed.stdout.split("\0")):
        content = (root / name).read_bytes() if (root / name).is_file() else b"\0"
        if b"\0" not in content:
            texts[name] = content.decode("utf-8")
    assert "pyproject.toml" in texts
    return texts


def test_no_file_names_a_machine_or_a_registry(tracked):
    found = {
        f"{name}: {match.group()}"
        for name, text in tracked.items()
        for pattern in (MACHINE, REGISTRY, re.compile(OWN_VENV))
        for match in pattern.finditer(text)
    }
    assert not found


def test_constraints_are_names_and_versions(root):
    lines = _constraints(root)
    assert lines
    wrong = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][\w.]*", line)]
    assert not wrong


def test_constraints_lie_in_the_ranges(root):
    pinned = {
        _plain(line.partition("==")[0]): line.partition("==")[2] for line in _constraints(root)
    }
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    for text in wanted:
        requirement = Requirement(text)
        version = pinned.get(_plain(requirement.name))
        assert version is not None, f"{requirement.name} is not in constraints.txt"
        assert requirement.specifier.contains(version), f"{text}, constraints.txt has {version}"


def test_every_dependency_has_a_least_version(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    for text in project["dependencies"]:
        specifier = Requirement(text).specifier
        assert any(one.operator == ">=" for one in specifier), text
    assert SpecifierSet(project["requires-python"]).contains("3.11.0")


def _commands(readme):
    return set(re.findall(r"(?:^ {4}|`)make ([a-z]+)\b", readme, re.MULTILINE))


def test_the_makefile_has_the_commands_that_readme_names(root):
    readme, makefile = (root / "README.md").read_text(), (root / "Makefile").read_text()
    told = _commands(readme)
    assert {"demo", "test"} <= told
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert told <= targets, told - targets


def test_ci_runs_what_readme_names(root):
    told = _commands((root / "README.md").read_text())
    run = set(re.findall(r"^make ([a-z]+)\b", (root / ".ci" / "run").read_text(), re.MULTILINE))
    assert run <= told | {"setup"}
    assert "check" in run


def _constraints(root):
    lines = (root / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()
