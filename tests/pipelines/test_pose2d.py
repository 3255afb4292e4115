"""The step that gives a clip its keypoints: its record, the settings in its key, its threshold."""

from types import SimpleNamespace

import numpy as np
import pytest

from humove.errors import UserError
from humove.motion.skeletons import COCO_17, COCO_WHOLEBODY_133, MEDIAPIPE_33
from humove.types import Landmarks, Pose2D
from pipelines.config import make_config
from pipelines.engine.landmarks_needed import check_landmarks
from pipelines.stages.pose2d import Pose2DConfig, Pose2DStep, convert_to_stored, pack_pose, unpack_pose


def make_pose(names: tuple[str, ...], skeleton: str, score: float = 0.6) -> Pose2D:
    return Pose2D(
        keypoints=np.full((3, len(names), 2), 7, np.float32),
        scores=np.full((3, len(names)), score, np.float32),
        skeleton=skeleton,
        names=names,
    )


class FixedAnnotator:
    """An annotator with a fixed answer."""

    def __init__(self, answer: Pose2D) -> None:
        self.answer = answer

    def annotate(self, batch):
        return [self.answer for _ in batch]


def measure_pose(config: Pose2DConfig, answer: Pose2D):
    step = Pose2DStep(config)
    step._annotator = FixedAnnotator(answer)
    track = {"frames": np.array([0]), "boxes_xyxy": np.zeros((1, 4), np.float32), "scores": np.ones(1, np.float32)}
    view = SimpleNamespace(frames=None, get_arrays=lambda name: {"track": track}[name])
    return step, *step.measure(view)


def test_unpacked_pose_equals_packed_pose():
    before = make_pose(COCO_WHOLEBODY_133, "coco_wholebody_133")
    after = unpack_pose(pack_pose(before))
    assert not isinstance(after, Landmarks)
    assert (after.names, after.skeleton) == (before.names, before.skeleton)
    assert np.array_equal(after.keypoints, before.keypoints)


def test_the_share_of_visible_keypoints_is_a_score_with_a_threshold():
    hidden = make_pose(COCO_17, "coco_17")
    legs = [k for k, name in enumerate(COCO_17) if name.endswith(("knee", "ankle"))]
    hidden.scores[:, legs] = 0.1
    step, record, _ = measure_pose(Pose2DConfig(), hidden)
    assert record.scores == {"visible_keypoints": pytest.approx(8 / 12)}
    assert step.judge(record.scores) is None  # no threshold unless it is asked for
    verdict = Pose2DStep(Pose2DConfig(min_visible_keypoints=0.7)).judge(record.scores)
    assert (verdict.reason, verdict.threshold) == ("partial_body", 0.7)
    assert verdict.detail == "67% of the body's keypoints are visible"
    assert Pose2DStep(Pose2DConfig(min_visible_keypoints=0.6)).judge(record.scores) is None


def test_settings_contain_what_the_measurement_depends_on(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(b"weights")
    moved = tmp_path / "elsewhere.pth"
    moved.write_bytes(b"weights")
    other = tmp_path / "other.pth"
    other.write_bytes(b"other weights")

    def get_settings(weights, **settings) -> dict:
        own = {k: settings.pop(k) for k in ("model", "flip", "batch_size") if k in settings}
        mmpose = {"weights": {"path": str(weights)}, **own}
        return Pose2DStep(Pose2DConfig(annotator="mmpose", mmpose=mmpose, **settings)).get_settings()

    same = get_settings(path)
    assert get_settings(moved) == same and get_settings(path, batch_size=3) == same
    assert get_settings(path, skeleton="coco_17", min_visible_keypoints=0.5) == same  # nothing is measure_pose again
    for changed in (get_settings(other), get_settings(path, flip=True), get_settings(path, visible_score=0.2)):
        assert changed != same


def test_samples_are_stored_in_the_configured_skeleton():
    whole = make_pose(COCO_WHOLEBODY_133, "coco_wholebody_133")
    assert convert_to_stored(whole, Pose2DConfig()) is whole
    assert convert_to_stored(whole, Pose2DConfig(skeleton="coco_wholebody_133")) is whole
    few = convert_to_stored(whole, Pose2DConfig(skeleton="coco_17"))
    assert (few.names, few.skeleton) == (COCO_17, "coco_17") and (few.scores > 0.59).all()
    assert convert_to_stored(whole, Pose2DConfig(skeleton="mediapipe_33")).names == MEDIAPIPE_33


def test_motion_that_needs_metric_points_is_refused_without_them():
    config = make_config({}, ["pose2d.annotator=mmpose"])
    with pytest.raises(
        UserError, match="'landmark_fit' needs points in metres, which pose2d.annotator 'mmpose'"
    ) as caught:
        check_landmarks(config.pose2d, config.motion)
    assert "blazepose" in str(caught.value) and "nlf" in str(caught.value)
    for overrides in (["pose2d.annotator=mmpose", "motion.annotator=nlf"], []):
        config = make_config({}, overrides)
        check_landmarks(config.pose2d, config.motion)


def test_wrong_settings_are_one_line_errors():
    for overrides, wanted in (
        ("pose2d.mmpose.model=rtmpose-m", "pose2d.mmpose.model"),
        ("pose2d.skeleton=openpose", "pose2d.skeleton"),
        ("pose2d.mmpose.wieghts=x", "weights"),
    ):
        with pytest.raises(UserError, match=wanted) as caught:
            make_config({}, [overrides])
        assert "\n" not in str(caught.value)
