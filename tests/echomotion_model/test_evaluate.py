"""Figures of a run: the baselines against a hand computation, the measures on motion that is known, the lines."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from echomotion_model.evaluate import evaluate
from echomotion_model.evaluation.lines import evaluation_lines
from echomotion_model.evaluation.measures import agreement, foot_skate
from echomotion_model.evaluation.retrieval import retrieval
from echomotion_model.generation.condition import from_sample
from echomotion_model.generation.trained import open_sampling_run
from echomotion_model.train.measures import mpjpe_mm, pa_mpjpe_mm, psnr_db
from humove.camera import intrinsics_from_fov, project
from humove.errors import UserError
from humove.skeletons import SMPL_JOINTS
from humove.types import Pose2D
from shards.reader import open_dataset


@pytest.fixture(scope="module")
def held_out(trained: Path, clips: Path) -> dict:
    """The figures of the two clips that did not train."""
    return evaluate(trained, str(clips), seed=1)


@pytest.fixture(scope="module")
def by_hand(trained: Path, clips: Path) -> dict:
    """Every clip as the model sees it, by key."""
    run = open_sampling_run(trained)
    return {key: from_sample(str(clips), key, run.config.data) for key in sorted(open_dataset(str(clips)).keys())}


def of_split(clips: Path, by_hand: dict, split: str) -> dict:
    rows = open_dataset(str(clips)).index_rows(["key", "split"])
    return {row["key"]: by_hand[row["key"]] for row in rows if row["split"] == split}


def test_the_mean_pose_and_the_mean_frame_are_those_of_the_training_split(
    held_out: dict, by_hand: dict, clips: Path
) -> None:
    training, targets = of_split(clips, by_hand, "train"), of_split(clips, by_hand, "val")
    assert (len(training), len(targets)) == (6, 2) and held_out["training_clips"] == 6
    centred = [(each.motion.joints - each.motion.joints[:, :1])[each.motion.valid] for each in training.values()]
    mean_pose = np.concatenate(centred).mean(0)
    mpjpe, pa, psnr = [], [], []
    for target in targets.values():
        valid, true = target.motion.valid, target.motion.joints
        told = np.broadcast_to(mean_pose, true.shape)
        apart = (true - true[:, :1] - mean_pose)[valid]
        mpjpe.append(1000 * np.sqrt((apart**2).sum(-1)).mean())
        assert mpjpe[-1] == pytest.approx(mpjpe_mm(told[valid], true[valid]), rel=1e-5)
        pa.append(pa_mpjpe_mm(told[valid], true[valid]))
        same = [each.video for each in training.values() if each.video.shape[1:] == target.video.shape[1:]]
        mean_frame = np.concatenate(same).astype(float).mean(0).round()
        psnr.append(10 * np.log10(255**2 / ((mean_frame - target.video.astype(float)) ** 2).mean()))
    found = held_out["video_to_motion"]["mean_pose"]
    assert found["mpjpe_mm"] == pytest.approx(np.mean(mpjpe), rel=1e-4) and found["clips"] == 2
    assert found["pa_mpjpe_mm"] == pytest.approx(np.mean(pa), rel=1e-4)
    assert held_out["motion_to_video"]["mean_frame"]["psnr_db"] == pytest.approx(np.mean(psnr), rel=1e-5)


@pytest.mark.parametrize("split", ["val", "train"])
def test_the_nearest_clip_is_the_nearest_of_all_others(trained: Path, clips: Path, by_hand: dict, split: str) -> None:
    run = open_sampling_run(trained)
    figures = evaluate(trained, str(clips), split, steps=1)
    training = of_split(clips, by_hand, "train")
    alone = 0
    for key, target in of_split(clips, by_hand, split).items():
        rivals = [each for name, each in training.items() if name != key and each.bucket == target.bucket]
        found = figures["by_clip"][key]
        if not rivals:
            alone += 1
            assert found["video_to_motion"]["nearest"] == {"mpjpe_mm": None, "pa_mpjpe_mm": None}
            continue
        mine = run.latents(target.video)
        alike = min(rivals, key=lambda each: float((run.latents(each.video) - mine).square().mean()))
        valid = target.motion.valid
        error = mpjpe_mm(alike.motion.joints[valid], target.motion.joints[valid])
        assert found["video_to_motion"]["nearest"]["mpjpe_mm"] == pytest.approx(error, rel=1e-5)
        mine = run.features(target.motion, "proxy")
        alike = min(rivals, key=lambda each: float((run.features(each.motion, "proxy") - mine).square().mean()))
        error = psnr_db(alike.video, target.video)
        assert found["motion_to_video"]["nearest"]["psnr_db"] == pytest.approx(error, rel=1e-5)
    assert alone == (1 if split == "train" else 0)
    assert figures["video_to_motion"]["nearest"]["clips"] == figures["clips"] - alone
    assert figures["trained_on"] == (split == "train")


def test_the_models_figures_are_of_its_own_samples_and_settled_by_the_seed(
    held_out: dict, trained: Path, clips: Path
) -> None:
    assert evaluate(trained, str(clips), seed=1) == held_out
    other = evaluate(trained, str(clips), seed=2)
    for part in ("video_to_motion", "motion_to_video", "joint"):
        assert other[part]["model"] != held_out[part]["model"]
        assert {**other[part], "model": 0} == {**held_out[part], "model": 0}
        assert all(np.isfinite(value) for value in held_out[part]["model"].values())
    assert evaluate(trained, str(clips), seed=1, use_ema=False)["video_to_motion"] != held_out["video_to_motion"]
    assert evaluate(trained, str(clips), limit=1)["clips"] == 1
    json.dumps(held_out, allow_nan=False)


def test_a_detector_is_held_against_the_given_joints(trained: Path, clips: Path, by_hand: dict) -> None:
    """A detector that sees the held-out clips' true joints, and 5 % of the person's height beside them."""
    asked = []
    targets = list(of_split(clips, by_hand, "val").values())

    def detect(pictures: np.ndarray, fps: int) -> Pose2D:
        target = targets[len(asked) // 2]  # the made video, then the true one
        asked.append((pictures, fps))
        points = project(target.motion.joints, target.cam_intrinsics)
        points[..., 0] += 0.05 * np.ptp(points, axis=1).max(-1)[:, None]
        scores = np.ones(points.shape[:2], np.float32)
        scores[:, : points.shape[1] // 4] = 0
        return Pose2D(
            keypoints=points.astype(np.float32), scores=scores, skeleton="test", names=SMPL_JOINTS
        )  # fmt: skip

    figures = evaluate(trained, str(clips), detect=detect)
    assert [fps for _, fps in asked] == [8] * 4
    assert np.array_equal(asked[1][0], targets[0].video) and asked[0][0].shape == targets[0].video.shape
    assert not np.array_equal(asked[0][0], targets[0].video)
    for who in ("model", "true_video"):
        assert figures["consistency"][who]["error"] == pytest.approx(0.05, abs=1e-3)
        assert figures["consistency"][who]["seen"] == pytest.approx(0.75)
    assert figures["consistency"]["other_motion"]["error"] is None  # the two clips are of different sizes


def test_foot_skate_is_the_speed_of_the_slower_foot() -> None:
    joints = np.zeros((9, 24, 3))
    left = [SMPL_JOINTS.index(name) for name in ("left_ankle", "left_foot")]
    joints[:, left, 0] = np.arange(9)[:, None] * 0.1  # a foot swings, the other stands
    assert foot_skate(joints, 16) == 0
    joints[:, :, 2] += np.arange(9)[:, None] * 0.05  # now all slides by 5 cm a frame
    assert foot_skate(joints, 16) == pytest.approx(0.8)


def test_agreement_needs_points_of_the_same_name_and_leaves_unseen_ones_out() -> None:
    camera = intrinsics_from_fov(96, 48, 55.0)
    joints = np.random.default_rng(0).normal(0, 0.4, (5, 24, 3)) + (0, 0, 4)
    places = project(joints, camera)
    tall = np.ptp(places, axis=1).max(-1)
    wrist, knee = (SMPL_JOINTS.index(name) for name in ("left_wrist", "right_knee"))
    keypoints = np.stack([places[:, wrist], places[:, knee], 0 * places[:, 0]], 1)
    keypoints[:, 0, 1] += 0.2 * tall
    keypoints[:, 1] += 100
    scores = np.array([[0.9, 0.1, 1.0]] * 5, np.float32)
    seen = Pose2D(
        keypoints=keypoints.astype(np.float32), scores=scores, skeleton="x", names=("left_wrist", "right_knee", "nose")
    )
    found = agreement(joints, camera, seen)
    assert found.error == pytest.approx(0.2, rel=1e-4) and found.seen == 0.5
    nobody = Pose2D(keypoints=seen.keypoints, scores=0 * scores, skeleton="x", names=seen.names)
    assert agreement(joints, camera, nobody).error is None and agreement(joints, camera, nobody).seen == 0


def test_retrieval_counts_captions_not_clips() -> None:
    true = [torch.full((2,), float(value)) for value in (0, 1, 5, 9)]
    captions = ["a", "a", "b", "c"]
    made = [torch.full((2,), 1.1), torch.full((2,), 6.0), torch.full((2,), 5.2), torch.full((2,), 8.0)]
    found = retrieval(made, true, captions)
    assert found == {"found": 0.75, "chance": pytest.approx((0.5 + 0.5 + 0.25 + 0.25) / 4), "samples": 4}
    assert retrieval(made[:2], true[:2], captions[:2]) is None


def test_the_lines_say_what_was_found(held_out: dict, trained: Path, clips: Path) -> None:
    lines = evaluation_lines(held_out)
    text = "\n".join(lines)
    assert f"{held_out['video_to_motion']['mean_pose']['mpjpe_mm']:.1f} mm" in text
    assert "at step 12 (averaged weights), 2 of 2 clips" in lines[0] and "for want of a detector" in text
    assert "by heart" not in text
    assert "by heart" in "\n".join(evaluation_lines(evaluate(trained, str(clips), "train", limit=1, steps=1)))


def test_mistakes_are_one_line(trained: Path, clips: Path, tmp_path: Path) -> None:
    for wanted, arguments in (
        ("has no split 'test'", (trained, str(clips), "test")),
        ("holds no dataset.json", (trained, str(tmp_path))),
        ("holds no config.yaml", (tmp_path, str(clips))),
    ):
        with pytest.raises(UserError, match=wanted):
            evaluate(*arguments)
    with pytest.raises(UserError, match="LIMIT=0"):
        evaluate(trained, str(clips), limit=0)
