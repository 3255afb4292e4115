"""The step that gives a clip its keypoints: what it records, what its results are named after, its bar."""

from types import SimpleNamespace

import numpy as np
import pytest

from humove.errors import UserError
from humove.skeletons import COCO_17, COCO_WHOLEBODY_133, MEDIAPIPE_33
from humove.types import Landmarks, Pose2D
from pipelines.config import configured
from pipelines.engine.landmarks_needed import check_landmarks
from pipelines.stages.pose2d import Pose2DConfig, Pose2DStep, as_stored, pose_arrays, pose_from_arrays


def pose(names: tuple[str, ...], skeleton: str, score: float = 0.6) -> Pose2D:
    return Pose2D(
        keypoints=np.full((3, len(names), 2), 7, np.float32),
        scores=np.full((3, len(names)), score, np.float32),
        skeleton=skeleton,
        names=names,
    )


class Given:
    """An annotator that says what it is given."""

    def __init__(self, answer: Pose2D) -> None:
        self.answer = answer

    def annotate(self, batch):
        return [self.answer for _ in batch]


def measured(config: Pose2DConfig, answer: Pose2D):
    step = Pose2DStep(config)
    step._annotator = Given(answer)
    track = {"frames": np.array([0]), "boxes_xyxy": np.zeros((1, 4), np.float32), "scores": np.ones(1, np.float32)}
    view = SimpleNamespace(frames=None, arrays=lambda name: {"track": track}[name])
    return step, *step.measure(view)


def test_arrays_are_read_as_what_they_were():
    before = pose(COCO_WHOLEBODY_133, "coco_wholebody_133")
    after = pose_from_arrays(pose_arrays(before))
    assert not isinstance(after, Landmarks)
    assert (after.names, after.skeleton) == (before.names, before.skeleton)
    assert np.array_equal(after.keypoints, before.keypoints)


def test_the_share_of_visible_keypoints_is_a_score_with_a_bar():
    hidden = pose(COCO_17, "coco_17")
    legs = [k for k, name in enumerate(COCO_17) if name.endswith(("knee", "ankle"))]
    hidden.scores[:, legs] = 0.1
    step, record, _ = measured(Pose2DConfig(), hidden)
    assert record.scores == {"visible_keypoints": pytest.approx(8 / 12)}
    assert step.judge(record.scores) is None  # no bar unless it is asked for
    verdict = Pose2DStep(Pose2DConfig(min_visible_keypoints=0.7)).judge(record.scores)
    assert (verdict.reason, verdict.threshold) == ("partial_body", 0.7)
    assert verdict.detail == "67% of the body's keypoints are seen"
    assert Pose2DStep(Pose2DConfig(min_visible_keypoints=0.6)).judge(record.scores) is None


def test_results_are_named_after_what_they_depend_on(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(b"weights")
    moved = tmp_path / "elsewhere.pth"
    moved.write_bytes(b"weights")
    other = tmp_path / "other.pth"
    other.write_bytes(b"other weights")

    def named(weights, **settings) -> dict:
        own = {k: settings.pop(k) for k in ("model", "flip", "batch_size") if k in settings}
        mmpose = {"weights": {"path": str(weights)}, **own}
        return Pose2DStep(Pose2DConfig(annotator="mmpose", mmpose=mmpose, **settings)).settings()

    same = named(path)
    assert named(moved) == same and named(path, batch_size=3) == same
    assert named(path, skeleton="coco_17", min_visible_keypoints=0.5) == same  # nothing is measured again
    for changed in (named(other), named(path, flip=True), named(path, visible_score=0.2)):
        assert changed != same


def test_samples_are_stored_in_the_skeleton_that_is_asked_for():
    whole = pose(COCO_WHOLEBODY_133, "coco_wholebody_133")
    assert as_stored(whole, Pose2DConfig()) is whole
    assert as_stored(whole, Pose2DConfig(skeleton="coco_wholebody_133")) is whole
    few = as_stored(whole, Pose2DConfig(skeleton="coco_17"))
    assert (few.names, few.skeleton) == (COCO_17, "coco_17") and (few.scores > 0.59).all()
    assert as_stored(whole, Pose2DConfig(skeleton="mediapipe_33")).names == MEDIAPIPE_33


def test_a_motion_that_needs_points_in_metres_is_told_where_there_are_none():
    config = configured({}, ["pose2d.annotator=mmpose"])
    with pytest.raises(
        UserError, match="'landmark_fit' needs points in metres, which pose2d.annotator 'mmpose'"
    ) as caught:
        check_landmarks(config.pose2d, config.motion)
    assert "blazepose" in str(caught.value) and "nlf" in str(caught.value)
    for said in (["pose2d.annotator=mmpose", "motion.annotator=nlf"], []):
        config = configured({}, said)
        check_landmarks(config.pose2d, config.motion)


def test_mistakes_in_the_yaml_are_one_line():
    for said, wanted in (
        ("pose2d.mmpose.model=rtmpose-m", "pose2d.mmpose.model"),
        ("pose2d.skeleton=openpose", "pose2d.skeleton"),
        ("pose2d.mmpose.wieghts=x", "weights"),
    ):
        with pytest.raises(UserError, match=wanted) as caught:
            configured({}, [said])
        assert "\n" not in str(caught.value)
