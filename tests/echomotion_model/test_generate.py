"""Samples of a run: what is written, what they are made from, and what is said where they can't be made."""

import io
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from echomotion_model.diffusion.tasks import Task
from echomotion_model.evaluate import evaluate
from echomotion_model.evaluation.lines import format_evaluation
from echomotion_model.generate import GeneratedFiles, generate
from echomotion_model.generation.condition import read_sample_condition
from echomotion_model.generation.motion_file import read_motion_condition
from echomotion_model.generation.sampling_run import open_sampling_run
from echomotion_model.generation.smoothing import smooth_motion
from echomotion_model.generation.video_file import read_video_condition
from echomotion_model.train.config import load_train_config
from echomotion_model.train.loop import train
from humove.errors import UserError
from humove.motion.body import compute_joints
from humove.types import SmplMotion
from shards.checks.motion import check_motion
from shards.npz import decode_motion_npz, decode_npz, encode_motion_npz, encode_npz
from shards.reader import open_dataset
from tests.echomotion_model.data.sets import make_loader_config, make_motion

SETTINGS = make_loader_config(
    seed=0,
    buckets={"resolutions": [[96, 48], [64, 64], [48, 96]], "fps": 8, "min_frames": 9, "max_frames": 9, "min_fps": 6},
)
"""As the run's own."""
MODES = ("joint", "motion-to-video", "video-to-motion")


@pytest.fixture(scope="module")
def keys(clips: Path) -> list[str]:
    return sorted(open_dataset(str(clips)).keys())


@pytest.fixture(scope="module")
def samples(trained: Path, clips: Path, keys: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict:
    """One sample of each mode, from the first clip."""
    out = tmp_path_factory.mktemp("samples")
    return {mode: generate(trained, mode, out=out / mode, dataset=str(clips), key=keys[0], seed=3) for mode in MODES}


def frames(path: Path) -> np.ndarray:
    with av.open(str(path)) as box:
        assert box.streams.video[0].average_rate == 8
        return np.stack([frame.to_ndarray(format="rgb24") for frame in box.decode(video=0)])


def content(made: GeneratedFiles) -> list[bytes]:
    return [path.read_bytes() for path in (made.video, made.motion, made.beside)]


@pytest.mark.parametrize("mode", MODES)
def test_files_are_of_the_data_sets_format_and_of_the_models_size_and_rate(samples: dict, mode: str) -> None:
    made = samples[mode]
    assert sorted(path.name for path in made.video.parent.iterdir()) == ["beside.mp4", "motion.npz", "video.mp4"]
    assert frames(made.video).shape == (9, 48, 96, 3)
    beside = frames(made.beside)
    assert beside.shape == (9, 240, 960, 3) and beside[:, :, 480:].std() > 0  # the body, beside the picture
    arrays = decode_npz(made.motion.read_bytes())
    assert list(check_motion("motion", arrays, 9, (0, 40))) == []
    assert decode_motion_npz(made.motion.read_bytes()).cam_intrinsics.shape == (3, 3)


def test_a_condition_is_written_unchanged(samples: dict, clips: Path, keys: list[str]) -> None:
    given = read_sample_condition(str(clips), keys[0], SETTINGS)
    kept = decode_motion_npz(samples["motion-to-video"].motion.read_bytes())
    assert np.array_equal(kept.joints, given.motion.joints) and np.array_equal(kept.transl, given.motion.transl)
    shown = frames(samples["video-to-motion"].video).astype(int)
    assert np.abs(shown - given.video).mean() < 4
    made = frames(samples["motion-to-video"].video).astype(int)
    assert np.abs(made - given.video).mean() > 10


@pytest.mark.parametrize("mode", MODES)
def test_the_seed_determines_the_sample(
    samples: dict, trained: Path, clips: Path, keys: list[str], tmp_path: Path, mode: str
) -> None:
    common = {"dataset": str(clips), "key": keys[0]}
    again = generate(trained, mode, out=tmp_path / "again", seed=3, **common)
    assert content(again) == content(samples[mode])
    other = generate(trained, mode, out=tmp_path / "other", seed=4, **common)
    made = "video" if mode == "motion-to-video" else "motion"
    assert getattr(other, made).read_bytes() != getattr(again, made).read_bytes()


@pytest.mark.parametrize("mode", MODES)
def test_the_condition_the_weights_and_the_guidance_are_used(
    trained: Path, clips: Path, keys: list[str], mode: str
) -> None:
    run = open_sampling_run(trained)
    first, second = (read_sample_condition(str(clips), key, run.config.data) for key in (keys[0], keys[2]))
    assert first.bucket == second.bucket
    task = mode.replace("-", "_")

    def draw(opened, condition, caption="Clip 0 turns.", scale: float = 1.5):
        sampling = opened.config.validation.sampling.model_copy(update={"condition_guidance_scale": scale})
        drawn = opened.draw_sample(
            Task(task), condition.bucket, caption=caption, seed=3, sampling=sampling,
            video_BCFHW=opened.encode_video(condition.video),
            motion_BTD=opened.encode_motion(condition.motion, "proxy"),
        )  # fmt: skip
        return drawn.video_BCFHW if task == "motion_to_video" else drawn.motion_BTD

    base = draw(run, first)
    assert base.equal(draw(run, first)) and base.isfinite().all()
    assert base.equal(draw(run, second)) == (mode == "joint")
    assert base.equal(draw(run, first, caption="Someone else swims.")) == (mode == "video-to-motion")
    assert base.equal(draw(run, first, scale=3.0)) == (mode == "joint")
    assert not base.equal(draw(open_sampling_run(trained, use_ema=False), first))
    assert not base.equal(draw(open_sampling_run(trained, checkpoint="6"), first))


def test_a_users_video_is_read_from_its_start(trained: Path, clips: Path, keys: list[str], tmp_path: Path) -> None:
    own = tmp_path / "my clip.mp4"
    own.write_bytes(open_dataset(str(clips)).read_mp4(keys[0]))
    condition = read_video_condition(own, SETTINGS.buckets)
    with av.open(str(own)) as box:
        every = np.stack([frame.to_ndarray(format="rgb24") for frame in box.decode(video=0)])
    assert condition.video.shape == (9, 48, 96, 3)
    wanted = np.floor(np.arange(9) * 30 / 8 + 0.5).astype(int)
    assert np.abs(condition.video.astype(int) - every[wanted]).mean() < 3
    made = generate(trained, "video-to-motion", out=tmp_path / "out", video=own)
    assert frames(made.video).shape == (9, 48, 96, 3) and len(decode_motion_npz(made.motion.read_bytes()).transl) == 9


@pytest.mark.parametrize(
    ("name", "bucket"),
    [
        ("rot_portrait_meta.mp4", (48, 96)), ("codec_vp9.webm", (96, 48)), ("start_offset_5s.mkv", (96, 48)),
        ("vfr.mp4", (96, 48)), ("interlaced_mpeg2.ts", (96, 48)), ("odd_size_yuv444.mp4", (96, 48)),
    ],
)  # fmt: skip
def test_real_videos_of_any_kind_are_upright_and_cover_the_frame(
    shared_data: Path, name: str, bucket: tuple[int, int]
) -> None:
    condition = read_video_condition(shared_data / "video" / name, SETTINGS.buckets)
    assert condition.video.shape == (9, bucket[1], bucket[0], 3) and condition.video.std() > 5
    assert np.abs(np.diff(condition.video.astype(int), axis=0)).max() > 0


@pytest.mark.parametrize("name", ["truncated_no_moov.mp4", "audio_only.mp4", "empty.mp4", "one_frame.mp4"])
def test_unusable_real_videos_give_an_error(shared_data: Path, name: str) -> None:
    with pytest.raises(UserError) as caught:
        read_video_condition(shared_data / "video" / name, SETTINGS.buckets)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_an_amass_file_makes_a_video(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "walk_poses.npz"
    swing = np.sin(np.arange(240) / 20)
    poses = np.zeros((240, 156))
    poses[:, 3], poses[:, 6] = 0.5 * swing, -0.5 * swing
    np.savez(
        path, poses=poses, trans=np.stack([0 * swing, np.arange(240) / 120, 0.95 + 0 * swing], 1), betas=np.zeros(16),
        gender="neutral", mocap_framerate=120.0,
    )  # fmt: skip
    condition = read_motion_condition(path, SETTINGS.buckets)
    assert len(condition.motion.transl) == 9 and condition.bucket.width == 96
    # 8 rows a second of 1 m a second: the pelvis moves 12.5 cm a row, wherever the camera stands.
    steps = np.linalg.norm(np.diff(condition.motion.joints[:, 0], axis=0), axis=-1)
    assert np.allclose(steps, 0.125, atol=0.002)
    made = generate(trained, "motion-to-video", out=tmp_path / "out", motion=path, text="a person walks")
    kept = decode_motion_npz(made.motion.read_bytes())
    assert np.array_equal(kept.joints, condition.motion.joints) and frames(made.video).shape == (9, 48, 96, 3)
    # Motion capture is written as it was given: it is not smoothed here, and says so.
    (defect,) = check_motion("motion", decode_npz(made.motion.read_bytes()), 9, (0, 240))
    assert "not smoothed, or the raw pose was not kept" in str(defect)


def test_bvh_of_real_mocap_is_a_condition(shared_data: Path) -> None:
    path = next((shared_data / "motion").rglob("*.bvh"))
    motion = read_motion_condition(path, SETTINGS.buckets).motion
    assert len(motion.transl) == 9 and (motion.joints[..., 2] > 0).all()


def test_a_generated_motion_can_be_a_condition(trained: Path, samples: dict, clips: Path, tmp_path: Path) -> None:
    path = samples["joint"].motion
    kept, read = decode_motion_npz(path.read_bytes()), read_motion_condition(path, SETTINGS.buckets).motion
    for name in ("joints", "transl", "cam_intrinsics"):
        assert np.allclose(getattr(kept, name), getattr(read, name), atol=1e-4), name
    made = generate(trained, "motion-to-video", out=tmp_path / "out", motion=path, text="a man turns")
    assert frames(made.video).shape == (9, 48, 96, 3)
    # A data set's own motion.npz, at its own rate.
    motion = open_dataset(str(clips)).get(sorted(open_dataset(str(clips)).keys())[0]).motion
    whole = tmp_path / "clip.motion.npz"
    whole.write_bytes(encode_motion_npz(motion))
    seen = read_motion_condition(whole, SETTINGS.buckets, fps=30.0).motion
    assert np.allclose(seen.transl[4], (motion.transl[15]), atol=1e-5)


def test_the_rate_of_a_motion_is_given_once(
    humove, trained: Path, samples: dict, clips: Path, keys: list[str], tmp_path: Path
) -> None:
    whole, made = tmp_path / "clip.motion.npz", tmp_path / "made"
    whole.write_bytes(encode_motion_npz(open_dataset(str(clips)).get(keys[0]).motion))
    asked = ("generate", trained, "motion-to-video", "--out", made, "--steps", "1")
    for arguments, message in (
        (("--motion", whole), "clip.motion.npz does not contain its rate; give it as --motion-fps (MOTION_FPS=)"),
        (("--motion", whole, "--motion-fps", "0"), "MOTION_FPS=0: give frames per second"),
        (("--motion", samples["joint"].motion, "--motion-fps", "30"), "contains its rate; leave --motion-fps out"),
        (("--dataset", clips, "--key", keys[0], "--motion-fps", "30"), "--motion-fps needs a motion file"),
        (("--dataset", clips, "--key", keys[0], "--body-models", tmp_path), "--body-models needs a motion file"),
    ):
        done = humove(*asked, *arguments)
        assert done.code == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
    assert not made.exists()
    done = humove(*asked, "--motion", whole, "--motion-fps", "30")
    assert done.code == 0, done.stderr
    files = [made / name for name in ("video.mp4", "motion.npz", "beside.mp4")]
    assert done.stdout.split("\n") == [*map(str, files), ""] and all(path.is_file() for path in files)
    kept = decode_motion_npz(files[1].read_bytes())
    assert np.array_equal(kept.joints, read_motion_condition(whole, SETTINGS.buckets, fps=30.0).motion.joints)
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(encode_npz({**decode_npz(files[1].read_bytes()), "fps": np.array(-1.0)}))
    assert "its fps is not a rate" in humove(*asked, "--motion", damaged).stderr


def test_smoothing_removes_jitter_and_keeps_motion() -> None:
    still = make_motion(48, 96, 48)
    shaken = np.random.default_rng(0).normal(0, 0.01, still.raw_transl.shape)
    slow = 0.2 * np.stack([np.sin(np.arange(48) / 24 * 2 * np.pi), *2 * [np.zeros(48)]], 1)  # once a second, at 24 fps
    raw = (slow + shaken).astype(np.float32)
    noisy = SmplMotion(**{name: getattr(still, name) for name in SmplMotion.__slots__} | {"raw_transl": raw})
    made = smooth_motion(noisy, 24)
    assert np.array_equal(made.raw_transl, raw)
    inner = slice(4, -4)
    before, after = (np.abs((each - slow)[inner]).mean() for each in (raw, made.transl))
    assert after < 0.75 * before and np.abs((made.transl - slow)[inner]).max() < 0.04
    joints = compute_joints(made.rest_joints, made.global_orient, made.body_pose, made.transl)
    assert np.array_equal(made.joints, joints)
    coarse = smooth_motion(noisy, 8)
    assert np.abs(coarse.transl - raw).max() < 1e-4 and np.abs(coarse.body_pose - still.body_pose).max() < 1e-4


def refused(*arguments: object, **named: object) -> str:
    with pytest.raises(UserError) as caught:
        generate(*arguments, **named)
    message = str(caught.value)
    assert "\n" not in message and not named["out"].exists()
    return message


def test_a_run_without_video_training_gives_a_warning(trained: Path, clips: Path, tmp_path: Path) -> None:
    config = load_train_config(str(trained / "config.yaml"), ["phases.paired.steps=0", "phases.motion.steps=2"])
    run = tmp_path / "run"
    assert train(config, str(clips), run).step == 2
    message: list[str] = []
    generate(run, "joint", out=tmp_path / "out", text="x", on_note=message.append)
    (line,) = message
    assert "step-000002 is of phase 1" in line and "video branch is not trained" in line and "\n" not in line
    lines = format_evaluation(evaluate(run, str(clips), limit=1, steps=1))
    assert "is of phase 1" in lines[1] and "was not trained on exactly" not in "\n".join(lines)
    message.clear()
    generate(trained, "joint", out=tmp_path / "whole", text="x", on_note=message.append)
    assert message == []


def test_mistakes_give_a_one_line_error(trained: Path, clips: Path, keys: list[str], tmp_path: Path) -> None:
    out, text = tmp_path / "out", tmp_path / "text.mp4"
    text.write_text("no video")
    one = {"dataset": str(clips), "key": keys[0]}
    assert "holds no config.yaml" in refused(tmp_path, "joint", out=out, text="x")
    assert "choose joint, motion-to-video, video-to-motion" in refused(trained, "sideways", out=out, text="x")
    assert "needs a text" in refused(trained, "joint", out=out)
    assert "needs a motion" in refused(trained, "motion-to-video", out=out, text="x")
    assert "needs a video" in refused(trained, "video-to-motion", out=out)
    assert "give either" in refused(trained, "video-to-motion", out=out, video=text, **one)
    assert "does not use a video" in refused(trained, "motion-to-video", out=out, video=text, **one)
    assert "does not use a text" in refused(trained, "video-to-motion", out=out, text="x", **one)
    assert "give a sample's key too" in refused(trained, "joint", out=out, dataset=str(clips))
    assert "has no sample 'nobody'" in refused(trained, "joint", out=out, dataset=str(clips), key="nobody")
    assert "holds no dataset.json" in refused(trained, "joint", out=out, dataset=str(tmp_path), key="x")
    assert "unreadable" in refused(trained, "video-to-motion", out=out, video=text)
    assert "no such video" in refused(trained, "video-to-motion", out=out, video=tmp_path / "none.mp4")
    assert "AMASS file" in refused(trained, "motion-to-video", out=out, motion=text)
    assert "it has step-000006, step-000012" in refused(trained, "joint", out=out, text="x", checkpoint="7")
    assert "STEPS=0" in refused(trained, "joint", out=out, text="x", steps=0)
    assert "finite" in refused(trained, "joint", out=out, text="x", text_guidance_scale=float("nan"))


def test_a_video_that_is_too_short_and_an_empty_run_are_refused(trained: Path, clips: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.mp4"
    with av.open(io.BytesIO(open_dataset(str(clips)).read_mp4(sorted(open_dataset(str(clips)).keys())[0]))) as box:
        few = [frame.to_ndarray(format="rgb24") for frame in box.decode(video=0)][:10]
    with av.open(str(short), "w") as box:
        stream = box.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 48, "yuv420p"
        for each in few:
            box.mux(stream.encode(av.VideoFrame.from_ndarray(each, format="rgb24")))
        box.mux(stream.encode())
    message = refused(trained, "video-to-motion", out=tmp_path / "out", video=short)
    assert "3 frames at 8 fps; this model needs at least 9" in message and "1 s or more" in message
    empty = tmp_path / "run"
    empty.mkdir()
    shutil.copy(trained / "config.yaml", empty)
    assert "no checkpoint yet" in refused(empty, "joint", out=tmp_path / "out", text="x")
    cut = Path(shutil.copytree(trained, tmp_path / "cut"))
    for file in (cut / "checkpoints" / "step-000012").glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:100])
    assert "older checkpoint" in refused(cut, "joint", out=tmp_path / "out", text="x")


def test_a_folder_that_cannot_be_written_to(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        generate(trained, "joint", out=tmp_path / "file", text="x")
    with pytest.raises(UserError, match="another OUT"):
        generate(trained, "joint", out=tmp_path / "file" / "below", text="x")
