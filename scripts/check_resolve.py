"""Check that pip can resolve the default install, from wheels alone, for every Python that pyproject.toml allows.

    .venv/bin/python scripts/check_resolve.py [3.13 ...]

Prints a line per version and exits with 1 if one fails. Nothing is installed; pip evaluates environment markers of
dependencies for the Python that runs this script.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def list_versions(requires: str) -> list[str]:
    """List the versions in a specifier such as ">=3.11,<3.15"."""
    bounds = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", requires)
    if bounds is None:
        raise SystemExit(f"{PYPROJECT}: requires-python is {requires!r}; write >=3.A,<3.B")
    return [f"3.{minor}" for minor in range(int(bounds[1]), int(bounds[2]))]


def resolve_dependencies(dependencies: list[str], version: str) -> subprocess.CompletedProcess:
    """Run pip's resolver for a version of Python, on this platform; stdout is its JSON report."""
    with tempfile.TemporaryDirectory() as target:
        command = [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--quiet", "--dry-run", "--ignore-installed"),
            *("--only-binary=:all:", "--python-version", version, "--target", target, "--report", "-", *dependencies),
        ]
        return subprocess.run(command, capture_output=True, text=True, check=False)


def main() -> int:
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    failed = False
    for version in sys.argv[1:] or list_versions(project["requires-python"]):
        done = resolve_dependencies(project["dependencies"], version)
        if done.returncode == 0:
            found = {row["metadata"]["name"]: row["metadata"]["version"] for row in json.loads(done.stdout)["install"]}
            print(f"Python {version}: {len(found)} packages (torch {found['torch']}, ray {found['ray']})", flush=True)
        else:
            failed = True
            print(f"Python {version}: {(done.stderr.strip().splitlines() or ['pip failed'])[-1]}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
