import hashlib
import json
import os
import shutil

import numpy as np
import pytest

from echomotion_model.importing import run
from echomotion_model.importing.config import ImportSettings
from echomotion_model.importing.run import import_motion
from humove.errors import UserError
from humove.motion.body import compute_joints
from shards.motion_only.dataset import open_motion_only
from shards.motion_only.schemas import MOTION_FILE
from tests.echomotion_model.importing.sample_files import write_amass
from tests.humove.motion.test_bvh import format_person

ALL_TRAIN = ImportSettings(val=0, test=0)


@pytest.fixture
def amass(tmp_path):
    """Two good recordings and one of each common kind of trouble."""
    folder = tmp_path / "amass"
    write_amass(folder / "KIT" / "3" / "walk_poses.npz", seed=1)
    write_amass(folder / "KIT" / "4" / "long_poses.npz", seed=2, frames=600, fps=25.0)
    (folder / "KIT" / "4" / "long_poses.txt").write_text("a person walks\nsomeone is walking\n")
    shutil.copy(folder / "KIT" / "3" / "walk_poses.npz", folder / "KIT" / "9 copy.npz")
    write_amass(folder / "KIT" / "3" / "shape.npz", poses=None)
    write_amass(folder / "KIT" / "3" / "blink_poses.npz", frames=60)
    (folder / "KIT" / "3" / "broken_poses.npz").write_bytes(b"PK\x03\x04 no")
    return folder


def digests(out):
    return {p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in out.rglob("*.*")}


def test_every_input_is_a_sample_or_a_reason(amass, tmp_path):
    seen = []
    done = import_motion(amass, tmp_path / "out", settings=ALL_TRAIN, progress=lambda *at: seen.append(at))
    assert done.kind == "amass" and done.inputs == 6 and done.kept == 2
    assert done.left_out == {"duplicate": 1, "no_motion": 1, "too_short": 1, "unreadable": 1}
    assert seen == [(i, 6) for i in range(1, 7)]
    assert any("KIT/3/broken_poses.npz (not an npz file)" in line for line in done.format_lines())
    outcomes = list(open_motion_only(str(tmp_path / "out")).iterate_outcomes())
    assert sorted(row["source"] for row in outcomes) == sorted(
        p.relative_to(amass).as_posix() for p in amass.rglob("*.npz")
    )
    assert all(bool(row["reason"]) == (row["outcome"] == "left_out") for row in outcomes)


def test_samples_record_their_source_and_camera(amass, tmp_path):
    import_motion(amass, tmp_path / "out", settings=ALL_TRAIN)
    samples = {s.meta.source.file: s for s in open_motion_only(str(tmp_path / "out")).iterate_samples()}
    walk = samples["KIT/3/walk_poses.npz"]
    assert walk.meta.source.frame == "world_z_up" and walk.meta.frame == "camera"
    assert walk.meta.camera.made == "synthetic" and walk.meta.body_model.shape_source == "proxy"
    assert walk.meta.fps == "30/1" and walk.meta.source.fps == 120 and walk.meta.source.end_frame == 240
    assert "non-commercial" in walk.meta.rights.licence and walk.caption == ""
    motion = walk.motion
    joints = compute_joints(motion.rest_joints, motion.global_orient, motion.body_pose, motion.transl)
    np.testing.assert_array_equal(joints, motion.joints)
    assert motion.valid.all() and (motion.confidence == 1).all()


def test_long_recordings_are_cut_each_piece_with_its_own_camera(amass, tmp_path):
    import_motion(amass, tmp_path / "out", settings=ALL_TRAIN)
    long = [s for s in open_motion_only(str(tmp_path / "out")).iterate_samples() if "long" in s.meta.source.file]
    spans = [(s.meta.source.start_frame, s.meta.source.end_frame) for s in long]
    assert spans == [(0, 200), (200, 400), (400, 600)]
    assert [s.key[-9:] for s in long] == ["c0000-p00", "c0001-p00", "c0002-p00"]
    assert len({s.meta.camera.azimuth_deg for s in long}) == 3
    assert {s.meta.fps for s in long} == {"25/1"}
    assert {s.meta.captions for s in long} == {("a person walks", "someone is walking")}


def test_file_names_may_be_invalid_unicode(tmp_path):
    (tmp_path / "in").mkdir()
    write_amass(tmp_path / "in" / "a.npz").rename(os.fsdecode(os.fsencode(tmp_path / "in") + b"/l\xe4uft\n.npz"))
    import_motion(tmp_path / "in", tmp_path / "out", settings=ALL_TRAIN)
    (sample,) = open_motion_only(str(tmp_path / "out")).iterate_samples()
    assert sample.meta.source.file == "l?uft\n.npz"


def test_the_same_files_give_the_same_bytes(amass, tmp_path):
    import_motion(amass, tmp_path / "a")
    import_motion(amass, tmp_path / "b")
    assert digests(tmp_path / "a") == digests(tmp_path / "b") and len(digests(tmp_path / "a")) >= 4


def test_a_killed_import_is_repeated_and_nothing_else_is_overwritten(amass, tmp_path, monkeypatch):
    out = tmp_path / "out"
    import_motion(amass, tmp_path / "whole", settings=ALL_TRAIN)
    with monkeypatch.context() as patch:
        patch.setattr(run.MotionOnlyWriter, "commit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            import_motion(amass, out, settings=ALL_TRAIN)
    assert not (out / MOTION_FILE).exists()
    with pytest.raises(UserError, match="holds no motion_dataset.json"):
        open_motion_only(str(out))
    (out / "shards").mkdir(exist_ok=True)
    (out / "shards" / "train-000007.tar").write_bytes(b"left by the kill")
    import_motion(amass, out, settings=ALL_TRAIN)
    assert digests(out) == digests(tmp_path / "whole")
    with pytest.raises(UserError, match="holds a data set already"):
        import_motion(amass, out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match="holds something else"):
        import_motion(amass, tmp_path / "mine")


def test_an_import_without_samples_names_the_reasons(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.npz").write_bytes(b"")
    with pytest.raises(UserError, match=r"none of 1 inputs gives a sample \(unreadable: a.npz") as caught:
        import_motion(tmp_path / "in", tmp_path / "out")
    assert caught.value.exit_code == 3 and not (tmp_path / "out" / MOTION_FILE).exists()


def test_a_source_of_no_kind_or_of_two_gives_a_one_line_error(amass, tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        import_motion(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no npz and no bvh"):
        import_motion(tmp_path / "empty", tmp_path / "out")
    (amass / "a.bvh").write_text("x")
    with pytest.raises(UserError, match="both npz and bvh"):
        import_motion(amass, tmp_path / "out")
    with pytest.raises(UserError, match="unknown kind of motion 'fbx'"):
        import_motion(amass, tmp_path / "out", kind="fbx")


def test_splits_follow_folders_else_subjects(tmp_path):
    for i in range(40):
        write_amass(tmp_path / "in" / "KIT" / str(i) / "a_poses.npz", seed=i, frames=130)
        if i < 4:
            write_amass(tmp_path / "in" / "KIT" / str(i) / "b_poses.npz", seed=100 + i, frames=130)
    write_amass(tmp_path / "in" / "val" / "a.npz", seed=200, frames=130)
    import_motion(tmp_path / "in", tmp_path / "out", settings=ImportSettings(val=0.3, test=0.3))
    index = open_motion_only(str(tmp_path / "out")).read_index(["source", "split"]).to_pylist()
    splits = {row["source"]: row["split"] for row in index}
    assert set(splits.values()) == {"train", "val", "test"} and splits["val/a.npz"] == "val"
    assert all(splits[f"KIT/{i}/a_poses.npz"] == splits[f"KIT/{i}/b_poses.npz"] for i in range(4))


def bvh_folder(folder):
    folder.mkdir()
    turn = [{"Hips.Yrotation": 3.0 * i, "LeftArm.Zrotation": -0.5 * i, "Hips.Xposition": 1.0 * i} for i in range(60)]
    (folder / "turn.bvh").write_text(format_person(turn))
    (folder / "turn.txt").write_text("a person turns")
    (folder / "cut.bvh").write_text(format_person(turn)[:-400])
    (folder / "nan.bvh").write_text(format_person([{"Hips.Yrotation": float("nan")}] * 60))
    (folder / "end.bvh").write_text(format_person(turn).replace("{ OFFSET 0 0.1 0 }", "{ CHANNELS 1 Xrotation }", 1))
    (folder / "far.bvh").write_text(format_person([{"Hips.Xposition": 1e30}] * 60))
    (folder / "dog.bvh").write_text(format_person(turn).replace("LeftUpLeg", "HindLeg"))
    return folder


def test_bvh_is_retargeted_and_flagged(tmp_path):
    done = import_motion(bvh_folder(tmp_path / "in"), tmp_path / "out", settings=ALL_TRAIN, licence="CC0")
    assert (
        done.left_out == {"not_finite": 1, "unknown_skeleton": 1, "unreadable": 2, "out_of_range": 1} and done.kept == 1
    )
    (sample,) = open_motion_only(str(tmp_path / "out")).iterate_samples()
    assert sample.caption == "a person turns" and sample.meta.rights.licence == "CC0"
    assert sample.meta.source.frame == "world_y_up" and sample.meta.body_model.shape_source == "proxy"
    assert sample.meta.fps == "25/1" and sample.meta.num_frames == 60
    json.dumps(sample.meta.model_dump(mode="json"), allow_nan=False)


def test_real_motion_capture_is_imported(shared_data, tmp_path):
    for name in ("test/cmu_02_01", "train/cmu_05_06", "train/cmu_m21_kick"):
        target = tmp_path / "in" / f"{name}.bvh"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(shared_data / "motion" / f"{name}.bvh", target)
    done = import_motion(tmp_path / "in", tmp_path / "out")
    assert done.kept == done.inputs == 3 and not done.left_out
    for sample in open_motion_only(str(tmp_path / "out")).iterate_samples():
        assert sample.meta.split == sample.meta.source.file.partition("/")[0]
        assert 2 < sample.motion.joints[..., 2].mean() < 12
        speed = np.linalg.norm(np.diff(sample.motion.joints, axis=0), axis=-1) * sample.meta.rate
        assert 0.05 < speed.mean() < 4 and speed.max() < 15
