"""What surrounds a top-down model: boxes, half pixels, scores, verdicts."""

from collections.abc import Sequence

import numpy as np
import pytest

from annotators.topdown import detect_keypoints
from annotators.visible_keypoints import compute_visible_share
from humove.motion.skeletons import COCO_17
from humove.stage import Reject
from humove.types import PersonTrack, Pose2D
from humove.video.frames import ArrayFrames

WIDTH, HEIGHT = 64, 48


def make_clip(count: int) -> tuple[ArrayFrames, PersonTrack]:
    """Frame k is grey level k; the box is known on the second and the last frame."""
    frames = ArrayFrames([np.full((HEIGHT, WIDTH, 3), k, np.uint8) for k in range(count)], 30)
    boxes = np.array([(10, 8, 30, 40), (40, 8, 60, 40)], np.float32)
    track = PersonTrack(frames=np.array([1, count - 1]), boxes_xyxy=boxes, scores=np.ones(2, np.float32))
    return frames, track


class RecordingModel:
    """A model that puts all 17 points at a given place and records its inputs."""

    def __init__(self, xy: Sequence[float] = (20.0, 30.0), score: float = 0.5) -> None:
        self.xy, self.score = xy, score
        self.boxes: list[np.ndarray] = []
        self.levels: list[list[int]] = []

    def __call__(self, frames, boxes):
        self.boxes.append(boxes)
        self.levels.append([int(frame[0, 0, 0]) for frame in frames])
        return [(np.tile(self.xy, (17, 1)), np.full(17, self.score)) for _ in frames]


def detect_along(model: RecordingModel, count: int = 5, batch_size: int = 2) -> Pose2D | Reject:
    return detect_keypoints(*make_clip(count), model, skeleton="coco_17", batch_size=batch_size)


def test_frames_and_boxes_come_in_order_in_batches_and_pixel_indices():
    model = RecordingModel()
    pose = detect_along(model)
    assert model.levels == [[0, 1], [2, 3], [4]]
    lefts = np.concatenate([boxes[:, 0] for boxes in model.boxes])
    assert lefts == pytest.approx([9.5, 9.5, 19.5, 29.5, 39.5])  # constant before frame 1, straight after it
    assert pose.keypoints == pytest.approx(np.tile([20.5, 30.5], (5, 17, 1)))
    assert (pose.skeleton, pose.names, pose.scores.dtype) == ("coco_17", COCO_17, np.float32)


@pytest.mark.parametrize(
    ("xy", "score", "want"),
    [((20, 30), 1.7, 1.0), ((WIDTH - 1, HEIGHT - 1), 0.5, 0.5), ((WIDTH, 30), 0.5, 0.0), ((20, -1), 0.5, 0.0)],
)
def test_scores_lie_in_0_to_1_and_are_0_outside_the_frame(xy, score, want):
    class Half(RecordingModel):
        """Its second point is always in the frame, so that the clip is kept."""

        def __call__(self, frames, boxes):
            points = super().__call__(frames, boxes)
            for places, _ in points:
                places[1] = (5, 5)
            return points

    pose = detect_along(Half(xy, score))
    assert pose.scores[:, 0] == pytest.approx(want)
    assert (pose.scores[:, 1] > 0).all()


def test_no_visible_point_is_a_verdict_and_nan_is_an_error():
    verdict = detect_along(RecordingModel(score=0.0))
    assert isinstance(verdict, Reject) and verdict.reason == "no_person"
    with pytest.raises(ValueError, match="not finite"):
        detect_along(RecordingModel(score=np.nan))


def test_a_batch_that_does_not_fit_is_halved():
    class Small(RecordingModel):
        def __call__(self, frames, boxes):
            if len(frames) > 1:
                raise RuntimeError("CUDA out of memory")
            return super().__call__(frames, boxes)

    model = Small()
    assert len(detect_along(model, batch_size=4).scores) == 5
    assert model.levels == [[0], [1], [2], [3], [4]]


def test_the_visible_share_of_the_body():
    scores = np.zeros((2, 17), np.float32)
    scores[:, 0] = 0.9  # the nose does not count
    scores[0, 5:17] = 0.3  # shoulders to ankles, on one frame of two
    scores[1, 5:8] = 0.29
    pose = Pose2D(keypoints=np.zeros((2, 17, 2), np.float32), scores=scores, skeleton="coco_17", names=COCO_17)
    assert compute_visible_share(pose, 0.3) == pytest.approx(0.5, abs=1e-6)
    assert compute_visible_share(pose, 0.2) == pytest.approx(15 / 24)
    assert compute_visible_share(pose, 0.0) == pytest.approx(15 / 24)  # a score of 0 is never visible
    fewer = Pose2D(keypoints=pose.keypoints[:, :13], scores=scores[:, :13], skeleton="x", names=COCO_17[:13])
    assert compute_visible_share(fewer, 0.3) == pytest.approx(8 / 24, abs=1e-6)  # a missing point is hidden
