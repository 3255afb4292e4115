"""The crop window is inside the frame, contains the person, and has one of few shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from humove.video.crop import ASPECTS, CropConfig, choose_window

_side = st.integers(32, 1000).map(lambda half: half * 2)


@settings(deadline=None)
@given(width=_side, height=_side, data=st.data())
def test_inside_even_and_never_larger(width: int, height: int, data: st.DataObject) -> None:
    corner = st.tuples(st.floats(-20, width + 20), st.floats(-20, height + 20))
    pairs = data.draw(st.lists(st.tuples(corner, corner), min_size=1, max_size=5))
    boxes = np.array([[min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])] for a, b in pairs])
    crop = choose_window(boxes, width, height, CropConfig())
    x0, y0, x1, y1 = crop.xyxy
    assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
    assert all(value % 2 == 0 for value in (*crop.xyxy, crop.out_width, crop.out_height))
    assert crop.out_width <= x1 - x0 and crop.out_height <= y1 - y0
    assert min(crop.out_width, crop.out_height) <= 720
    inner = np.clip(boxes, 0, (width, height, width, height))
    assert x0 <= inner[:, 0].min() + 2 and x1 >= inner[:, 2].max() - 2
    assert y0 <= inner[:, 1].min() + 2 and y1 >= inner[:, 3].max() - 2
    if crop.xyxy != (0, 0, width, height):
        assert min(abs((x1 - x0) / (y1 - y0) - float(a)) for a in ASPECTS) < 4 / min(x1 - x0, y1 - y0)


def test_a_person_standing_gives_a_portrait() -> None:
    boxes = np.array([[900.0, 200, 1000, 600], [920, 210, 1030, 610]])
    crop = choose_window(boxes, 1920, 1080, CropConfig())
    x0, y0, x1, y1 = crop.xyxy
    assert (x1 - x0) / (y1 - y0) == pytest.approx(9 / 16, abs=0.01)
    assert y0 <= 200 - 0.15 * 390 and y1 >= 610 + 0.15 * 390
    assert (crop.out_width, crop.out_height) == (x1 - x0, y1 - y0)


def test_whole_frame() -> None:
    filling = np.array([[50.0, 20, 900, 530]])
    assert choose_window(filling, 960, 540, CropConfig()).xyxy == (0, 0, 960, 540)
    small = np.array([[100.0, 100, 200, 300]])
    off = choose_window(small, 1920, 1080, CropConfig(mode="off"))
    assert (off.xyxy, off.out_width, off.out_height) == ((0, 0, 1920, 1080), 1280, 720)
