"""ingest_video: what a file is, in one call."""

from pathlib import Path

import pytest

from humove.ids import compute_video_id
from humove.reasons import Reason
from humove.video.probe import probe_video
from humove.video.scan import ScanUnit
from pipelines.stages.video.ingest_video import IngestResult, ingest_video
from tests.humove.video.conftest import draw_number, write_film


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ingest") / "numbered.mp4"
    return write_film(path, [draw_number(i) for i in range(60)], options={"g": "15"})


def test_a_video(video: Path) -> None:
    assert ingest_video(video, 120) == IngestResult(
        video_id=compute_video_id(video), probe=probe_video(video), units=(ScanUnit(),), missing_bytes=0
    )


def test_a_long_one_has_units_that_join(video: Path) -> None:
    units = ingest_video(video, 0.5).units
    assert len(units) > 1 and units[0].start_pts is None and units[-1].end_pts is None
    assert all(before.end_pts == after.start_pts for before, after in zip(units, units[1:], strict=False))


def test_no_video(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("no video at all\n" * 50)
    assert ingest_video(path, 120).reason is Reason.UNREADABLE


def test_the_bytes_that_a_cut_file_lacks(shared_data: Path) -> None:
    path = shared_data / "video" / "truncated_faststart.mp4"
    assert ingest_video(path, 120).missing_bytes > 0
