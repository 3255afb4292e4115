"""The synthetic data set of the loader's tests."""

import shutil
from pathlib import Path

import pytest

from tests.echomotion_model.data.sets import make_set


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of clips of various sizes, lengths and rates; read only."""
    return make_set(tmp_path_factory.mktemp("mixed") / "set")


@pytest.fixture
def damaged(mixed: Path, tmp_path: Path) -> Path:
    """A copy of it, for tests that damage it."""
    return Path(shutil.copytree(mixed, tmp_path / "set"))
