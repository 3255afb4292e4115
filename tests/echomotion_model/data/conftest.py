"""The synthetic data set of the loader's tests."""

import shutil
from pathlib import Path

import pytest

from tests.echomotion_model.data.sets import make_set


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of odd sizes, lengths and rates; read only."""
    return make_set(tmp_path_factory.mktemp("odd") / "set")


@pytest.fixture
def damaged(odd: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(odd, tmp_path / "set"))
