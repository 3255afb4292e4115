"""Compare annotators/blazepose with MediaPipe's landmarks on a video.

MediaPipe 0.10.21 needs numpy < 2, so it is installed in a separate environment:

    python -m venv mp && mp/bin/pip install mediapipe==0.10.21 av
    mp/bin/python scripts/compare_blazepose.py reference VIDEO VIDEO.npz
    .venv/bin/python scripts/compare_blazepose.py compare VIDEO VIDEO.npz

Both run the detector on each frame (MediaPipe's static_image_mode): in tracking mode MediaPipe smooths its square crop
even with smooth_landmarks off, and a crop moved by half a pixel moves the world landmarks by about 15 mm.
"""

import sys
from collections.abc import Iterator
from itertools import islice

import av
import numpy as np

FRAMES, STEP = 60, 3


def read_frames(path: str) -> Iterator[np.ndarray]:
    with av.open(path) as container:
        for frame in islice(container.decode(video=0), 0, FRAMES * STEP, STEP):
            yield frame.to_ndarray(format="rgb24")


def write_reference(video: str, out: str) -> None:
    import mediapipe

    pose = mediapipe.solutions.pose.Pose(static_image_mode=True, model_complexity=1)
    rows = []
    for frame in read_frames(video):
        result = pose.process(frame)
        rows.append(np.full((33, 5), np.nan))
        if result.pose_landmarks:
            height, width = frame.shape[:2]
            rows[-1][:, :2] = [[p.x * width, p.y * height] for p in result.pose_landmarks.landmark]
            rows[-1][:, 2:] = [[p.x, p.y, p.z] for p in result.pose_world_landmarks.landmark]
    np.savez(out, rows=np.array(rows))


def compare_landmarks(video: str, npz: str) -> None:
    from annotators.blazepose.people import PeopleDetector

    people = PeopleDetector()
    rows = np.load(npz, allow_pickle=False)["rows"]
    px, mm, missing = [], [], 0
    for frame, row in zip(read_frames(video), rows, strict=True):
        found = people.detector.detect(frame)
        roi = found[0].make_roi() if found else None
        if roi is None or np.isnan(row).any():
            missing += (roi is None) != np.isnan(row).any()
            continue
        points = people.landmarker.detect_landmarks(people.landmarker.crop_input(frame, roi), roi)
        # See annotators.blazepose.roi.map_crop_to_frame: MediaPipe leaves out the half pixels.
        shifted = points.keypoints + roi.rotate_vectors(np.full(2, 0.5 / 256)) * roi.size - 0.5
        px.append(np.linalg.norm(shifted - row[:, :2], axis=1))
        mm.append(1000 * np.linalg.norm(points.world - row[:, 2:], axis=1))
    for name, apart in (("px", np.concatenate(px)), ("mm", np.concatenate(mm))):
        print(f"{name}: median {np.median(apart):.2f}, 90 % {np.percentile(apart, 90):.2f}, most {apart.max():.1f}")
    print(f"{len(px)} frames compared, on {missing} only one of the two found a person")


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("reference", "compare"):
        sys.exit(__doc__)
    {"reference": write_reference, "compare": compare_landmarks}[sys.argv[1]](sys.argv[2], sys.argv[3])
