"""Motion from other programs' files, through a build: camera, world, records, missing files."""

from pathlib import Path

import av
import joblib
import numpy as np
import pytest
import torch

from humove.errors import UserError
from humove.motion.body import sum_bone_lengths
from humove.motion.camera import intrinsics_from_fov
from humove.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from humove.types import Sample, Source, VideoRef
from humove.video.probe import probe_video
from pipelines.stages.motion import choose_camera
from shards.reader import open_dataset
from shards.verify import verify
from tests.annotators.results.bodies import smpl_arrays
from tests.builds import run_build

WAVE = "Daily Activity/wave.mp4"
FRAMES = 54


@pytest.fixture(scope="module")
def smpl_file(tmp_path_factory) -> Path:
    """An SMPL body with the open body's joints."""
    path = tmp_path_factory.mktemp("smpl") / "smpl.npz"
    np.savez(path, **smpl_arrays())
    return path


def write_wham(path: Path, sample: Sample, size: tuple[int, int]) -> None:
    """WHAM's file of the sample's own motion, as WHAM's camera has it: a body of another size and another focal length
    moves along the viewing ray. In the world the camera stands still at 1.5 m and looks along -z, level."""
    motion, n = sample.motion, len(sample.motion.valid)
    assumed = intrinsics_from_fov(*size, 55.0)[0, 0]
    rest = smpl_arrays()["J_regressor"] @ smpl_arrays()["v_template"]
    pelvis = (motion.transl + motion.rest_joints[0]).astype(float)
    pelvis *= sum_bone_lengths(rest) / sum_bone_lengths(motion.rest_joints)
    pelvis[:, 2] *= np.hypot(*size) / assumed
    turn = np.diag([1.0, -1.0, -1.0])
    orient = matrix_to_axis_angle(
        torch.from_numpy(turn) @ axis_angle_to_matrix(torch.from_numpy(motion.global_orient).double())
    ).numpy()
    body = motion.body_pose.reshape(n, 69)
    first = int(motion.source_frames[0])
    path.parent.mkdir(parents=True)
    joblib.dump(
        {
            0: {
                "pose": np.concatenate([motion.global_orient, body], 1),
                "trans": (pelvis - rest[0]).astype(np.float32),
                "pose_world": np.concatenate([orient, body], 1).astype(np.float32),
                "trans_world": (pelvis @ turn + [0, 1.5, 0] - rest[0]).astype(np.float32),
                "betas": np.zeros((n, 10), np.float32),
                "frame_ids": np.arange(first, first + n),
            }
        },
        path,
    )


@pytest.mark.extra("smpl")
def test_wham_through_a_build(videos: Path, copied: Path, smpl_file: Path, tmp_path: Path) -> None:
    before = next(s for s in open_dataset(str(copied)).iterate_samples() if s.meta["uri"] == WAVE)
    ref = probe_video(videos / WAVE)
    write_wham(tmp_path / "wham" / "Daily Activity" / "wave" / "wham_output.pkl", before, (ref.width, ref.height))
    settings = [
        "motion.annotator=results", "motion.results.format=wham", f"motion.results.folder.path={tmp_path / 'wham'}",
        f"motion.results.smpl.path={smpl_file}",
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"allow: \[permissive, non-commercial\]"):
        run_build(videos, copied, *settings)
    run_build(videos, copied, *settings, "allow=[permissive, non-commercial]")
    assert verify(str(copied)) == []
    (sample,) = open_dataset(str(copied)).iterate_samples()  # the other videos have no file
    assert {row.reason for row in open_dataset(str(copied)).iterate_outcomes() if row.stage == "motion"} == {
        "no_motion"
    }

    assert sample.meta["cam"]["source"] == "annotator" and "diagonal" in sample.meta["cam"]["detail"]
    zoom = sample.meta["width"] / (sample.meta["crop_xyxy"][2] - sample.meta["crop_xyxy"][0])
    assert sample.meta["cam"]["focal_px"][0] == pytest.approx(zoom * np.hypot(ref.width, ref.height), rel=1e-3)
    assert before.meta["cam"]["source"] == "default" and "55 degrees" in before.meta["cam"]["detail"]
    assert before.world is None

    np.testing.assert_allclose(sample.world.rotation, np.tile(np.diag([1, -1, -1]), (FRAMES, 1, 1)), atol=1e-3)
    np.testing.assert_allclose(sample.world.position, np.tile([0, 1.5, 0], (FRAMES, 1)), atol=5e-3)
    np.testing.assert_allclose(sample.world.gravity, np.tile([0, 1, 0], (FRAMES, 1)), atol=1e-3)

    assert sample.meta["body_model"] == {
        "name": "smpl", "licence": "SMPL body model licence: non-commercial research", "shape_source": "true"
    }  # fmt: skip
    (record,) = [a for a in sample.meta["annotators"] if a["name"] == "motion.results"]
    assert {w["name"] for w in record["weights"]} == {"motion.results.folder", "motion.results.smpl"}
    assert all(len(w["sha256"]) == 64 for w in record["weights"])
    assert str(tmp_path) not in (copied / "dataset.json").read_text()


def write_phone_video(path: Path, focal_length: str) -> Path:
    with av.open(str(path), "w", format="mov", options={"movflags": "use_metadata_tags"}) as box:
        box.metadata["com.apple.quicktime.camera.focal_length.35mm_equivalent"] = focal_length
        stream = box.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(3):
            box.mux(stream.encode(av.VideoFrame(320, 240, "yuv420p")))
        box.mux(stream.encode())
    return path


def test_focal_length_in_a_phones_metadata(tmp_path: Path) -> None:
    """26 mm on a diagonal of 43.27 mm is 26 / 43.27 of the frame's diagonal; without it the assumed angle is used."""
    known = probe_video(write_phone_video(tmp_path / "a.mov", "26"))
    assert known.focal_35mm == 26
    for odd in ("-13", "wide", "4000"):
        assert probe_video(write_phone_video(tmp_path / "b.mov", odd)).focal_35mm == 0

    def video(focal: float) -> VideoRef:
        return VideoRef(video_id="0" * 16, uri="a.mov", width=320, height=240, fps=known.fps, num_frames=3,
                        source=Source(), focal_35mm=focal)  # fmt: skip

    camera, focal = choose_camera(video(26), 640, 480, 55.0)
    assert focal.source == "metadata" and "26 mm" in focal.detail
    np.testing.assert_allclose(
        camera, [[26 / 43.2666 * 800, 0, 320], [0, 26 / 43.2666 * 800, 240], [0, 0, 1]], rtol=1e-5
    )
    camera, focal = choose_camera(video(0), 640, 480, 90.0)
    assert focal.source == "default" and "90 degrees" in focal.detail
    np.testing.assert_allclose(camera, [[320, 0, 320], [0, 320, 240], [0, 0, 1]], rtol=1e-5)
