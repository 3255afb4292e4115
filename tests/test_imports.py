"""Imports go one way through the packages, and heavy ones stay where they belong."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = {"humove", "annotators", "shards", "pipelines", "echomotion_model"}
ALLOWED = {
    "humove": {"humove"},
    "annotators": {"humove", "annotators"},
    "shards": {"humove", "shards"},
    "pipelines": {"humove", "annotators", "shards", "pipelines"},
    "echomotion_model": {"humove", "shards", "echomotion_model"},
}
COMPOSITION_ROOT = ROOT / "humove" / "cli"


def imported(path: Path) -> set[str]:
    """Top-level names of every import in a file, those inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_packages_import_only_what_stands_below_them(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        if COMPOSITION_ROOT not in path.parents:
            assert (imported(path) & OURS) <= ALLOWED[package], path


def test_ray_is_imported_for_builds_by_its_own_modules_alone() -> None:
    users = [p for p in (ROOT / "pipelines").rglob("*.py") if "ray" in imported(p)]
    engine = ROOT / "pipelines" / "engine"
    assert sorted(users) == [engine / "executors" / "ray_cluster.py", engine / "models" / "ray_servers.py"]


def test_the_command_starts_without_the_heavy_libraries() -> None:
    code = "import humove.cli, sys; print([m for m in ('torch', 'ray', 'cv2', 'av') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_driver_of_a_build_does_without_torch() -> None:
    """It costs each process a second and some 300 MiB."""
    code = "import pipelines.jobs.build, sys; from pipelines.config import load_config as load; "
    code += "pipelines.jobs.build.Plan.from_config(load('local', []), {}).check_annotators(runs=True); "
    code += "print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
