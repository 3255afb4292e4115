"""Holds annotators/blazepose to MediaPipe's own landmarks on videos of your choice.

MediaPipe 0.10.21 wants numpy < 2, so it lives in an environment of its own:

    python -m venv mp && mp/bin/pip install mediapipe==0.10.21 av
    mp/bin/python scripts/compare_blazepose.py reference VIDEO VIDEO.npz
    .venv/bin/python scripts/compare_blazepose.py compare VIDEO VIDEO.npz

Both sides run the detector on each frame (MediaPipe's static_image_mode): in its tracking mode MediaPipe smooths the
square it looks at, even with smooth_landmarks off, and a square moved by half a pixel of the crop moves the world
landmarks by some 15 mm.
"""

import sys
from collections.abc import Iterator
from itertools import islice

import av
import numpy as np

FRAMES, STEP = 60, 3


def pictures(path: str) -> Iterator[np.ndarray]:
    with av.open(path) as container:
        for frame in islice(container.decode(video=0), 0, FRAMES * STEP, STEP):
            yield frame.to_ndarray(format="rgb24")


def reference(video: str, out: str) -> None:
    import mediapipe

    pose = mediapipe.solutions.pose.Pose(static_image_mode=True, model_complexity=1)
    rows = []
    for picture in pictures(video):
        said = pose.process(picture)
        rows.append(np.full((33, 5), np.nan))
        if said.pose_landmarks:
            height, width = picture.shape[:2]
            rows[-1][:, :2] = [[p.x * width, p.y * height] for p in said.pose_landmarks.landmark]
            rows[-1][:, 2:] = [[p.x, p.y, p.z] for p in said.pose_world_landmarks.landmark]
    np.savez(out, rows=np.array(rows))


def compare(video: str, npz: str) -> None:
    from annotators.blazepose.people import PeopleFinder

    finder = PeopleFinder()
    rows = np.load(npz, allow_pickle=False)["rows"]
    px, mm, missing = [], [], 0
    for picture, row in zip(pictures(video), rows, strict=True):
        found = finder.detector.detect(picture)
        roi = found[0].roi() if found else None
        if roi is None or np.isnan(row).any():
            missing += (roi is None) != np.isnan(row).any()
            continue
        points = finder.landmarker.read(finder.landmarker.crop(picture, roi), roi)
        # See annotators.blazepose.roi.unwarp: MediaPipe leaves out the half pixels.
        shifted = points.keypoints + roi.turn(np.full(2, 0.5 / 256)) * roi.size - 0.5
        px.append(np.linalg.norm(shifted - row[:, :2], axis=1))
        mm.append(1000 * np.linalg.norm(points.world - row[:, 2:], axis=1))
    for name, apart in (("px", np.concatenate(px)), ("mm", np.concatenate(mm))):
        print(f"{name}: median {np.median(apart):.2f}, 90 % {np.percentile(apart, 90):.2f}, most {apart.max():.1f}")
    print(f"{len(px)} frames compared, on {missing} only one of the two found somebody")


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("reference", "compare"):
        sys.exit(__doc__)
    {"reference": reference, "compare": compare}[sys.argv[1]](sys.argv[2], sys.argv[3])
