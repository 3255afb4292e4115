"""A test of an extra is marked, so that it runs where every extra is installed."""

from pathlib import Path

TESTS = Path(__file__).parent


def test_none_is_skipped_by_what_it_imports() -> None:
    for path in TESTS.rglob("*.py"):
        if path != Path(__file__):
            assert "importorskip" not in path.read_text(encoding="utf-8"), f"{path}: mark it instead, see extras.py"
