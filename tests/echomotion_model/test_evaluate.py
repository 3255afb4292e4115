"""Figures of a run: the baselines against a hand computation, the measures on motion that is known, the lines."""

import json
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from echomotion_model.data.catalogue import SampleIndex
from echomotion_model.diffusion.sampler import SampleOutput
from echomotion_model.evaluate import evaluate
from echomotion_model.evaluation.baselines import gather_baselines
from echomotion_model.evaluation.clip import ClipFigures
from echomotion_model.evaluation.clip_samples import ClipSamples, draw_clip_samples
from echomotion_model.evaluation.lines import format_evaluation
from echomotion_model.evaluation.measures import compute_foot_skate, measure_agreement
from echomotion_model.evaluation.retrieval import measure_retrieval
from echomotion_model.evaluation.swaps import choose_partners, count_followed
from echomotion_model.evaluation.target import Target, choose_evenly, read_target
from echomotion_model.generation.condition import read_sample_condition
from echomotion_model.generation.sampling_run import SamplingRun, open_sampling_run
from echomotion_model.motion.features import encode_features
from echomotion_model.train.measures import mpjpe_mm, pa_mpjpe_mm, psnr_db
from humove.cli import app
from humove.errors import UserError
from humove.motion.body import compute_joints
from humove.motion.camera import intrinsics_from_fov, project_points
from humove.motion.skeletons import SMPL_JOINTS
from humove.types import Pose2D
from shards.reader import open_dataset
from tests.echomotion_model.data.sets import SHAPES, make_sample, write_set


@pytest.fixture(scope="module")
def held_out(trained: Path, clips: Path) -> dict:
    """The figures of the two clips that did not train."""
    return evaluate(trained, str(clips), seed=1)


@pytest.fixture(scope="module")
def by_hand(trained: Path, clips: Path) -> dict:
    """Every clip as the model sees it, by key."""
    run = open_sampling_run(trained)
    return {
        key: read_sample_condition(str(clips), key, run.config.data) for key in sorted(open_dataset(str(clips)).keys())
    }


def of_split(clips: Path, by_hand: dict, split: str) -> dict:
    rows = open_dataset(str(clips)).iterate_index_rows(["key", "split"])
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
        baseline = np.broadcast_to(mean_pose, true.shape)
        apart = (true - true[:, :1] - mean_pose)[valid]
        mpjpe.append(1000 * np.sqrt((apart**2).sum(-1)).mean())
        assert mpjpe[-1] == pytest.approx(mpjpe_mm(baseline[valid], true[valid]), rel=1e-5)
        pa.append(pa_mpjpe_mm(baseline[valid], true[valid]))
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
        mine = run.encode_video(target.video)
        alike = min(rivals, key=lambda each: float((run.encode_video(each.video) - mine).square().mean()))
        valid = target.motion.valid
        error = mpjpe_mm(alike.motion.joints[valid], target.motion.joints[valid])
        assert found["video_to_motion"]["nearest"]["mpjpe_mm"] == pytest.approx(error, rel=1e-5)
        mine = run.encode_motion(target.motion, "proxy")
        alike = min(rivals, key=lambda each: float((run.encode_motion(each.motion, "proxy") - mine).square().mean()))
        error = psnr_db(alike.video, target.video)
        assert found["motion_to_video"]["nearest"]["psnr_db"] == pytest.approx(error, rel=1e-5)
    assert alone == (1 if split == "train" else 0)
    assert figures["video_to_motion"]["nearest"]["clips"] == figures["clips"] - alone
    assert figures["trained_on"] == (6 if split == "train" else 0)


def test_the_models_figures_are_of_its_own_samples_and_determined_by_the_seed(
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


def test_detections_are_compared_with_the_given_joints(trained: Path, clips: Path, by_hand: dict) -> None:
    """A detector that sees the held-out clips' true joints, and 5 % of the person's height beside them."""
    asked = []
    targets = list(of_split(clips, by_hand, "val").values())

    def detect(pictures: np.ndarray, fps: int) -> Pose2D:
        target = targets[len(asked) // 2]  # the made video, then the true one
        asked.append((pictures, fps))
        points = project_points(target.motion.joints, target.cam_intrinsics)
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


@pytest.fixture(scope="module")
def targets(trained: Path, clips: Path) -> list[Target]:
    """The six clips that trained, as the model is given them."""
    run, source = open_sampling_run(trained), open_dataset(str(clips))
    index = SampleIndex(source, "train", run.config.data.buckets)
    return [read_target(source, index, row, bucket, run) for row, bucket in choose_evenly(index, 6)]


def test_clips_are_swapped_within_a_bucket(targets: list[Target]) -> None:
    found = choose_partners(targets)
    sizes = [sum(each.bucket == target.bucket for each in targets) for target in targets]
    assert sorted(sizes) == [1, 2, 2, 3, 3, 3]
    for target, other, size in zip(targets, found, sizes, strict=True):
        assert (other is None) == (size == 1)
        if other is not None:
            assert other is not target and other.bucket == target.bucket
    taken = [other.key for other in found if other is not None]
    assert len(set(taken)) == len(taken) == 5
    two = [target for target, size in zip(targets, sizes, strict=True) if size == 2]
    assert choose_partners(two) == two[::-1]


def unlike(target: Target, run: SamplingRun) -> Target:
    """Another clip of the same size: the pictures are the negative; an arm and a leg are bent, 30 cm away."""
    sample = target.sample
    pose = sample.body_pose.copy()
    pose[:, [0, 15], 0] += 1.0
    transl = sample.transl + np.float32([0.3, 0, 0])
    joints = compute_joints(sample.rest_joints, sample.global_orient, pose, transl)
    changed = replace(
        sample, key="other", caption="Another.", video=255 - sample.video, body_pose=pose, transl=transl, joints=joints
    )  # fmt: skip
    names = ("global_orient", "body_pose", "transl", "joints", "betas", "rest_joints")
    arrays = {name: torch.from_numpy(getattr(changed, name)) for name in names}
    features = encode_features(**arrays, proxy=torch.tensor(True))
    return replace(
        target,
        sample=changed,
        latents_BCFHW=run.encode_video(changed.video),
        motion_BTD=run.normalizer.normalize(features)[None],
    )


@pytest.mark.parametrize(("answer", "share"), [("given", 1.0), ("named", 0.0)])
def test_swapped_conditions_distinguish_following_the_condition_from_overfitting(
    trained: Path, targets: list[Target], answer: str, share: float
) -> None:
    """Answers that are made by hand: the other clip's own, or this clip's whatever it was given."""
    run = open_sampling_run(trained)
    target, other = targets[0], unlike(targets[0], run)
    followed = other if answer == "given" else target
    drawn = SampleOutput(video_BCFHW=followed.latents_BCFHW, motion_BTD=followed.motion_BTD)
    made = ClipSamples(
        video_to_motion=drawn, motion_to_video=drawn, joint=drawn,
        swapped_video_to_motion=drawn, swapped_motion_to_video=drawn,
    )  # fmt: skip

    def detect(pictures: np.ndarray, fps: int) -> Pose2D:
        """Sees the joints of the clip whose pictures these are most like."""
        clip = max((target, other), key=lambda each: psnr_db(pictures, each.sample.video)).sample
        points = project_points(clip.joints, clip.cam_intrinsics).astype(np.float32)
        return Pose2D(
            keypoints=points, scores=np.ones(points.shape[:2], np.float32), skeleton="test", names=SMPL_JOINTS
        )  # fmt: skip

    clip = ClipFigures(run, target, other, made, gather_baselines(targets, [target]), detect)
    far = "named" if answer == "given" else "given"
    assert clip.swapped["video_to_motion"][answer] < 1 < clip.swapped["video_to_motion"][far]
    assert clip.swapped["motion_to_video"][answer] > 25 > clip.swapped["motion_to_video"][far]
    assert clip.swapped["motion_to_video_joints"][answer] < 0.001 < clip.swapped["motion_to_video_joints"][far]
    found = count_followed([clip.swapped, {}])
    assert {name: each["found"] for name, each in found.items()} == dict.fromkeys(clip.swapped, share)
    assert all(each["samples"] == 1 and each["chance"] == 0.5 for each in found.values())


def test_shares_and_means_of_swapped_samples() -> None:
    distances = [(1.0, 2.0), (3.0, 2.5), (None, 2.0), (0.5, 4.5)]
    clips = [
        {"video_to_motion": {"given": a, "named": b}, "motion_to_video": {"given": a, "named": b}} for a, b in distances
    ]
    found = count_followed([*clips, {}])
    assert found["video_to_motion"] == {
        "found": 0.5, "chance": 0.5, "samples": 4, "given": 1.5, "named": pytest.approx(2.75)
    }  # fmt: skip
    assert found["motion_to_video"]["found"] == 0.25  # of PSNR more is nearer
    assert count_followed([{}, {}]) is None


def test_a_swapped_sample_has_the_other_clips_condition_and_this_clips_caption_and_noise(
    trained: Path, targets: list[Target]
) -> None:
    run = open_sampling_run(trained)
    sampling = run.config.validation.sampling
    target, other = targets[0], unlike(targets[0], run)
    mine, others = (
        draw_clip_samples(run, target, other, sampling, 5),
        draw_clip_samples(run, other, target, sampling, 5),
    )
    # Video to motion knows no caption: under one noise it answers the same video the same.
    assert mine.swapped_video_to_motion.motion_BTD.equal(others.video_to_motion.motion_BTD)
    assert not mine.swapped_video_to_motion.motion_BTD.equal(mine.video_to_motion.motion_BTD)
    shown = [each.video_BCFHW for each in (mine.swapped_motion_to_video, mine.motion_to_video, others.motion_to_video)]
    assert not shown[0].equal(shown[1]) and not shown[0].equal(shown[2])
    again = draw_clip_samples(run, target, other, sampling, 5)
    assert again.swapped_motion_to_video.video_BCFHW.equal(shown[0])
    assert draw_clip_samples(run, target, None, sampling, 5).swapped_motion_to_video is None


def test_foot_skate_is_the_speed_of_the_slower_foot() -> None:
    joints = np.zeros((9, 24, 3))
    left = [SMPL_JOINTS.index(name) for name in ("left_ankle", "left_foot")]
    joints[:, left, 0] = np.arange(9)[:, None] * 0.1  # a foot swings, the other stands
    assert compute_foot_skate(joints, 16) == 0
    joints[:, :, 2] += np.arange(9)[:, None] * 0.05  # now all slides by 5 cm a frame
    assert compute_foot_skate(joints, 16) == pytest.approx(0.8)


def test_agreement_needs_points_of_the_same_name_and_leaves_undetected_ones_out() -> None:
    camera = intrinsics_from_fov(96, 48, 55.0)
    joints = np.random.default_rng(0).normal(0, 0.4, (5, 24, 3)) + (0, 0, 4)
    places = project_points(joints, camera)
    tall = np.ptp(places, axis=1).max(-1)
    wrist, knee = (SMPL_JOINTS.index(name) for name in ("left_wrist", "right_knee"))
    keypoints = np.stack([places[:, wrist], places[:, knee], 0 * places[:, 0]], 1)
    keypoints[:, 0, 1] += 0.2 * tall
    keypoints[:, 1] += 100
    scores = np.array([[0.9, 0.1, 1.0]] * 5, np.float32)
    seen = Pose2D(
        keypoints=keypoints.astype(np.float32), scores=scores, skeleton="x", names=("left_wrist", "right_knee", "nose")
    )
    found = measure_agreement(joints, camera, seen)
    assert found.error == pytest.approx(0.2, rel=1e-4) and found.seen == 0.5
    nobody = Pose2D(keypoints=seen.keypoints, scores=0 * scores, skeleton="x", names=seen.names)
    assert (
        measure_agreement(joints, camera, nobody).error is None and measure_agreement(joints, camera, nobody).seen == 0
    )


def test_retrieval_counts_captions_not_clips() -> None:
    true = [torch.full((2,), float(value)) for value in (0, 1, 5, 9)]
    captions = ["a", "a", "b", "c"]
    made = [torch.full((2,), 1.1), torch.full((2,), 6.0), torch.full((2,), 5.2), torch.full((2,), 8.0)]
    found = measure_retrieval(made, true, captions)
    assert found == {"found": 0.75, "chance": pytest.approx((0.5 + 0.5 + 0.25 + 0.25) / 4), "samples": 4}
    assert measure_retrieval(made[:2], true[:2], captions[:2]) is None


def test_the_lines_show_the_figures(held_out: dict, trained: Path, clips: Path) -> None:
    lines = format_evaluation(held_out)
    text = "\n".join(lines)
    assert f"{held_out['video_to_motion']['mean_pose']['mpjpe_mm']:.1f} mm" in text
    assert "at step 12 (averaged weights), 2 of 2 clips" in lines[0] and "without a detector" in text
    assert "overfitting" not in text and "was not trained on exactly" not in text and "without two clips" in text
    assert "overfitting" in "\n".join(format_evaluation(evaluate(trained, str(clips), "train", limit=1, steps=1)))


def test_the_lines_show_how_often_the_condition_was_followed(held_out: dict) -> None:
    swapped = {
        "video_to_motion": {"found": 0.9, "chance": 0.5, "samples": 10, "given": 60.0, "named": 141.25},
        "motion_to_video_joints": {"found": 0.0, "chance": 0.5, "samples": 10, "given": None, "named": None},
    }
    lines = format_evaluation({**held_out, "swapped": swapped})
    at = next(index for index, line in enumerate(lines) if line.startswith("swapped conditions"))
    assert lines[at + 1].endswith("PA-MPJPE      90% of 10 (chance 50%): 60.0 against 141.2 mm")
    assert lines[at + 2].endswith("keypoints     0% of 10 (chance 50%)")


def test_mistakes_give_a_one_line_error(trained: Path, clips: Path, tmp_path: Path) -> None:
    for wanted, arguments in (
        ("has no split 'test'", (trained, str(clips), "test")),
        ("holds no dataset.json", (trained, str(tmp_path))),
        ("holds no config.yaml", (tmp_path, str(clips))),
    ):
        with pytest.raises(UserError, match=wanted):
            evaluate(*arguments)
    with pytest.raises(UserError, match="LIMIT=0"):
        evaluate(trained, str(clips), limit=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        evaluate(trained, str(clips), samples=tmp_path / "file")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of other clips, none of which trains."""
    rows = [(20, SHAPES[0]), (21, SHAPES[4]), (22, SHAPES[2])]
    folder = tmp_path_factory.mktemp("elsewhere") / "set"
    return write_set(folder, [make_sample(number, "test", shape) for number, shape in rows])


def test_another_data_set_is_compared_with_the_training_clips(
    trained: Path, clips: Path, elsewhere: Path, held_out: dict, by_hand: dict
) -> None:
    with pytest.raises(UserError, match="no split 'train', which the baselines need; .* --training"):
        evaluate(trained, str(elsewhere), "test")
    found = evaluate(trained, str(elsewhere), "test", training=str(clips))
    assert (found["clips"], found["training_clips"]) == (3, 6)
    assert found["baselines_trained"] and not found["trained_on"] and held_out["baselines_trained"]
    run = open_sampling_run(trained)
    joints = [(each.motion.joints, each.motion.valid) for each in of_split(clips, by_hand, "train").values()]
    mean_pose = np.concatenate([(each - each[:, :1])[valid] for each, valid in joints]).mean(0)
    for key, figures in found["by_clip"].items():
        motion = read_sample_condition(str(elsewhere), key, run.config.data).motion
        baseline = np.broadcast_to(mean_pose, motion.joints.shape)
        error = mpjpe_mm(baseline[motion.valid], motion.joints[motion.valid])
        assert figures["video_to_motion"]["mean_pose"]["mpjpe_mm"] == pytest.approx(error, rel=1e-4)
    assert "was not trained on exactly" not in "\n".join(format_evaluation(found))


def test_other_clips_of_a_train_split_are_not_training_clips(trained: Path, clips: Path, tmp_path: Path) -> None:
    other = write_set(tmp_path / "set", [make_sample(number, "train", SHAPES[0]) for number in (30, 31)])
    found = evaluate(trained, str(other), "train", steps=1)
    assert not found["trained_on"] and not found["baselines_trained"]
    text = "\n".join(format_evaluation(found))
    assert "was not trained on exactly" in text and "overfitting" not in text and "--training" in text
    assert evaluate(trained, str(other), "train", training=str(clips), steps=1)["baselines_trained"]


def test_training_clips_are_recognised_in_another_data_set(trained: Path, clips: Path, tmp_path: Path) -> None:
    number = 4  # of the training clips; the other is new
    rows = [make_sample(number, "val", SHAPES[2]), make_sample(40, "val", SHAPES[2])]
    found = evaluate(trained, str(write_set(tmp_path / "set", rows)), training=str(clips), steps=1)
    assert found["trained_on"] == 1 and found["clips"] == 2
    assert "1 of these clips trained the run" in format_evaluation(found)[1]


def test_sample_videos_show_input_output_and_ground_truth(
    trained: Path, clips: Path, by_hand: dict, tmp_path: Path
) -> None:
    evaluate(trained, str(clips), "train", limit=6, steps=1, samples=tmp_path / "seen")
    names = {path.name for path in (tmp_path / "seen").iterdir()}
    modes = ("video-to-motion", "motion-to-video", "joint")
    keys = list(of_split(clips, by_hand, "train"))
    whole = {f"{key}-{mode}.{kind}" for key in keys for mode in modes for kind in ("mp4", "png")}
    assert whole <= names and len(names - whole) == 5 * 2 * 2  # one clip has no other of its size
    key = next(key for key in keys if by_hand[key].video.shape[1:3] == (48, 96))
    picture = cv2.cvtColor(cv2.imread(str(tmp_path / "seen" / f"{key}-video-to-motion.png")), cv2.COLOR_BGR2RGB)
    times, title = 6, 24  # 48 px are drawn 288 px high
    rows = picture[title:].reshape(3, title + 48 * times, 5, 96 * times, 3)[:, title:]
    given, answer, truth = (np.moveaxis(each, 1, 0).astype(int) for each in rows)
    shown = by_hand[key].video[[0, 2, 4, 6, 8]]
    wanted = np.stack([cv2.resize(each, (96 * times, 48 * times), interpolation=cv2.INTER_CUBIC) for each in shown])
    assert np.array_equal(given, wanted)
    motion, camera = by_hand[key].motion, by_hand[key].cam_intrinsics
    x, y = (times * project_points(motion.joints[0, 0], camera)).round().astype(int)
    assert np.ptp(given[0, y, x]) == 0 and np.ptp(truth[0, y, x]) > 20  # the grey person is under a green body
    assert (answer != given).any() and (answer != truth).any()
    with av.open(str(tmp_path / "seen" / f"{key}-video-to-motion.mp4")) as box:
        frames = [frame.to_ndarray(format="rgb24") for frame in box.decode(video=0)]
        assert box.streams.video[0].average_rate == 8
    assert len(frames) == 9 and frames[0].shape == (2 * title + 48 * times, 3 * 96 * times, 3)
    assert np.abs(frames[4][2 * title :, : 96 * times].astype(int) - given[2]).mean() < 4


def test_the_command_names_the_detector_that_is_missing(
    trained: Path, clips: Path, tmp_path: Path, monkeypatch
) -> None:
    def missing() -> None:
        raise UserError("weights are missing: fetch them")

    monkeypatch.setattr("annotators.blazepose.frame_keypoints.FrameKeypoints", missing)
    arguments = [
        "evaluate-model",
        str(trained),
        str(clips),
        "--limit",
        "1",
        "--steps",
        "1",
        "--samples",
        str(tmp_path / "seen"),
    ]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "no keypoints in generated video: weights are missing: fetch them" in done.stderr
    assert "left out, without a detector" in done.stdout and str(tmp_path / "seen") in done.stdout
    assert any((tmp_path / "seen").iterdir())
