"""Fixtures shared by the tests of all packages."""

import shutil
import signal
from pathlib import Path

import cv2
import pytest
import torch

from pipelines.engine.executors.cpus import count_usable_cpus
from pipelines.samples.film import JoinedFilm, write_film
from pipelines.samples.maker import make_bad_input
from tests.builds import render_film, run_build
from tests.extras import check_extras
from tests.s3_server import s3, s3_session  # noqa: F401
from tests.shared_folders import make_once

torch.set_num_threads(1)
cv2.setNumThreads(1)
# A shell's background jobs ignore SIGINT, and so would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """A folder of real videos and motion beside the repository, if present."""
    if not _SHARED.is_dir():
        pytest.skip("no shared/data beside the repository")
    return _SHARED


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """The processes of `pytest -n auto`: one per usable core; each takes up to 2 GB."""
    return min(count_usable_cpus(), 8)


def pytest_runtest_setup(item: pytest.Item) -> None:
    check_extras(item)


def _make_videos(folder: Path) -> None:
    write_film(render_film("wave"), folder / "Daily Activity" / "wave.mp4")
    write_film(render_film("squat", seed=2), folder / "squat.mp4")
    write_film(JoinedFilm(render_film("wave", seed=3), render_film("squat", seed=4)), folder / "two shots <b>人.mp4")
    shutil.copy(folder / "squat.mp4", folder / "squat_copy.mp4")
    data = (folder / "squat.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(data[: len(data) // 2])
    (folder / "text.mp4").write_text("no video")
    make_bad_input("empty_room", folder / "empty_room.mp4")


@pytest.fixture(scope="session")
def videos(tmp_path_factory) -> Path:
    """A small folder of real videos: rendered people, an empty room, and files that are no videos. Read only."""
    return make_once(tmp_path_factory, "videos", _make_videos)


@pytest.fixture(scope="session")
def built_videos(videos: Path, tmp_path_factory) -> Path:
    """A finished data set of `videos`, with its state. Read only: tests that change it work on a copy."""
    return make_once(tmp_path_factory, "built_videos", lambda out: run_build(videos, out))


@pytest.fixture(scope="session")
def built(built_videos: Path) -> Path:
    """`built_videos`; folders of tests may override it with their own set."""
    return built_videos


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "set")
    return tmp_path / "set"
