"""Inspection of a sample."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from humove.errors import UserError
from humove.types import Sample
from shards.inspect import inspect


def test_the_body_is_drawn_where_the_keypoints_are(built: Path, samples: list[Sample], tmp_path: Path):
    sample = samples[2]
    video, strip = inspect(str(built), sample.key, tmp_path / "look")
    assert sorted(path.name for path in (tmp_path / "look").iterdir()) == [video.name, strip.name]
    with av.open(str(video)) as box:
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in box.decode(video=0)]
        assert box.streams.video[0].average_rate == pytest.approx(30000 / 1001)
    assert (len(frames), frames[0].shape) == (17, (192, 160, 3))
    colourful = np.ptp(frames[5], axis=-1) > 30
    rows, columns = np.nonzero(colourful)
    visible = sample.pose2d.keypoints[5][sample.pose2d.scores[5] > 0.5]
    assert colourful[int(visible[:, 1].mean()) - 10, int(visible[:, 0].mean())], "the body is missing from its middle"
    assert rows.min() > visible[:, 1].min() - 40 and columns.max() < visible[:, 0].max() + 20
    image = cv2.imread(str(strip))
    assert image.shape == (720, 6 * 300, 3)
    assert np.ptp(image[:360].astype(int), axis=-1).max() < 30, "the upper row shows the frames as they are"


def test_an_unknown_key(built: Path, tmp_path: Path):
    with pytest.raises(UserError, match="has no sample"):
        inspect(str(built), "nobody", tmp_path / "look")
