"""Files that are missing, are others, or would run code: one line each, a reject or an error."""

import os
import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch

from annotators.results.annotator import ResultsMotion
from annotators.results.config import ResultsConfig
from annotators.results.pickles import read_pickled
from annotators.results.places import find_result
from annotators.rights import find_unset_settings
from annotators.weights.user_files import UserWeights
from humove.errors import UserError
from humove.reasons import Reason
from humove.stage import Reject
from pipelines.stages.motion import MotionConfig
from tests.annotators.motion_clips import VIDEO_ID, make_motion_clip
from tests.annotators.results.bodies import BodyFiles
from tests.annotators.results.conftest import FRAMES, Truth
from tests.annotators.results.test_formats import SIZE, annotate, load_results
from tests.annotators.results.written import write_camerahmr, write_gvhmr

needs_smpl = pytest.mark.extra("smpl")


class Hostile:
    """What a pickle can be made of."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def reject(*args, **kwargs) -> str:
    found = annotate(*args, **kwargs)
    assert isinstance(found, Reject) and found.reason is Reason.NO_MOTION
    assert "\n" not in found.detail
    return found.detail


@needs_smpl
def test_no_file(bodies: BodyFiles, tmp_path: Path) -> None:
    message = reject(tmp_path, bodies, "wham")
    assert f"{VIDEO_ID}-s0000-c0000-p00, {VIDEO_ID}, people/walk" in message and "/wham_output.pkl" in message


@needs_smpl
def test_a_file_of_another_video(bodies: BodyFiles, truth: Truth, tmp_path: Path) -> None:
    """Another length, frames that it lacks, another aspect ratio."""
    write_gvhmr(tmp_path / f"{VIDEO_ID}.pt", truth, SIZE, 500.0)
    assert f"{FRAMES} rows that are not numbered, for 40 frames" in reject(tmp_path, bodies, "gvhmr", video_frames=40)
    write_camerahmr(tmp_path / VIDEO_ID, truth, SIZE, np.full(FRAMES, 500.0))
    assert "none of the frames 100 to 111" in reject(tmp_path, bodies, "camerahmr", start=100)
    assert "640x480, the video's is 480x640" in reject(tmp_path, bodies, "camerahmr", size=(480, 640))
    for number in range(2, FRAMES):
        (tmp_path / VIDEO_ID / f"{number:06d}.npy").unlink()
    assert "on 2 of the clip's 12 frames" in reject(tmp_path, bodies, "camerahmr")


@needs_smpl
def test_files_of_another_kind(bodies: BodyFiles, truth: Truth, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / f"{VIDEO_ID}.pt")
    assert "lacks smpl_params_incam" in reject(tmp_path, bodies, "gvhmr")
    (tmp_path / f"{VIDEO_ID}.pkl").write_bytes(pickle.dumps([1, 2]))
    assert "holds no people" in reject(tmp_path, bodies, "wham")
    np.savez(tmp_path / f"{VIDEO_ID}.npz", betas=np.zeros((FRAMES, 10)))
    assert "lacks 'global_orient'" in reject(tmp_path, bodies, "camerahmr")
    np.savez(tmp_path / f"{VIDEO_ID}.npz", betas=np.zeros((FRAMES, 10)), cam_t=np.zeros((FRAMES, 3)), render_res=SIZE,
             global_orient=np.zeros((FRAMES, 1, 3, 3)), body_pose=np.zeros((FRAMES, 23, 3, 3)),
             scaled_focal_length=500.0)  # fmt: skip
    assert "no rotation matrices" in reject(tmp_path, bodies, "camerahmr")
    np.savez(tmp_path / f"{VIDEO_ID}.npz", pred_vertices=np.zeros((FRAMES, 99, 3)), pred_cam_t=np.zeros((FRAMES, 3)),
             focal_length=np.full(FRAMES, 500.0))  # fmt: skip
    assert "99 vertices" in reject(tmp_path, bodies, "sam3d_body")


@needs_smpl
def test_a_hostile_pickle_runs_nothing(bodies: BodyFiles, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for name, form, suffix in (("a", "wham", ".pkl"), ("b", "gvhmr", ".pt")):
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(pickle.dumps({0: Hostile(mark)}))
        reject(tmp_path, bodies, form, uri=f"{name}.mp4")
    np.save(tmp_path / "000.npy", {"smpls": Hostile(mark)})
    with pytest.raises(ValueError, match="refers to posix.mkdir"):
        read_pickled(tmp_path / "000.npy")
    np.save(tmp_path / "001.npy", {"smpls": np.array([1, {}], dtype=object)})
    with pytest.raises(ValueError, match="Python objects"):
        read_pickled(tmp_path / "001.npy")
    (tmp_path / "cut.pkl").write_bytes(pickle.dumps({0: np.zeros(100)})[:-50])
    with pytest.raises(ValueError, match="no pickle of arrays"):
        read_pickled(tmp_path / "cut.pkl")
    assert not mark.exists()


def test_arrays_are_read_unchanged(tmp_path: Path) -> None:
    held = {
        "rows": np.arange(12.0).reshape(3, 4), "columns": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        "scalar": np.float32(2.5), "text": "x", "list": [np.zeros(0), 1],
    }  # fmt: skip
    joblib.dump(held, tmp_path / "a.pkl")
    np.save(tmp_path / "a.npy", held)
    (tmp_path / "b.pkl").write_bytes(pickle.dumps(held))
    for name in ("a.pkl", "a.npy", "b.pkl"):
        found = read_pickled(tmp_path / name)
        for key in ("rows", "columns", "scalar"):
            np.testing.assert_array_equal(found[key], held[key], strict=True)
        assert found["text"] == "x" and found["list"][1] == 1 and found["list"][0].shape == (0,)


def test_no_file_outside_the_folder_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    (folder / "sub").mkdir(parents=True)
    for path in (tmp_path / "walk.npz", folder / "walk.npz", folder / "sub" / "walk.npz"):
        path.touch()

    def found(uri: str) -> Path | None:
        place = find_result(folder, make_motion_clip(uri=uri).clip, (".npz", "/"))
        return place.path.relative_to(folder) if place else None

    assert found("walk.mp4") == Path("walk.npz")
    assert found("sub/walk.mp4") == Path("sub/walk.npz"), "two videos of one name stay two"
    assert found("other/walk.mp4") is None
    assert found("../walk.mp4") == found("/data/walk.mp4") == found("s3://bucket/x/walk.mp4") == Path("walk.npz")
    assert found("") is None and found("..") is None and found("../..") is None
    (folder / f"{VIDEO_ID}.npz").symlink_to(tmp_path / "walk.npz")
    assert found("gone.mp4") is None, "nor does a link"
    (folder / f"{VIDEO_ID}-s0000-c0000-p00.npz").touch()
    assert find_result(folder, make_motion_clip().clip, (".npz",)).by_clip


@needs_smpl
def test_settings_that_are_missing_or_wrong(bodies: BodyFiles, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="motion.results.folder.path is not set"):
        ResultsMotion(ResultsConfig()).load("cpu")
    folder = UserWeights(path=str(tmp_path))
    with pytest.raises(UserError, match="motion.results.smpl.path is not set"):
        ResultsMotion(ResultsConfig(folder=folder)).load("cpu")
    smpl = UserWeights(path=str(bodies.smpl))
    with pytest.raises(UserError, match="motion.results.smplx.path is not set"):
        ResultsMotion(ResultsConfig(folder=folder, smpl=smpl, format="gvhmr")).load("cpu")
    with pytest.raises(UserError, match="24 joints; name SMPLX_NEUTRAL"):
        given = {"smplx": smpl, "smplx_to_smpl": UserWeights(path=str(bodies.transfer))}
        ResultsMotion(ResultsConfig(folder=folder, smpl=smpl, format="gvhmr", **given)).load("cpu")
    torch.save(torch.zeros(3, 4).to_sparse(), tmp_path / "small.pt")
    with pytest.raises(UserError, match=r"matrix of \(3, 4\)"):
        given = {
            "smplx": UserWeights(path=str(bodies.smplx)),
            "smplx_to_smpl": UserWeights(path=f"{tmp_path}/small.pt"),
        }
        ResultsMotion(ResultsConfig(folder=folder, smpl=smpl, format="gvhmr", **given)).load("cpu")
    with pytest.raises(UserError, match="has no triangle_ids"):
        given = {"mhr_to_smpl": UserWeights(path=str(bodies.faces)), "mhr_faces": UserWeights(path=str(bodies.faces))}
        ResultsMotion(ResultsConfig(folder=folder, smpl=smpl, format="sam3d_body", **given)).load("cpu")


@needs_smpl
def test_licence_and_body_model(bodies: BodyFiles, tmp_path: Path) -> None:
    made = load_results(tmp_path, bodies, "wham")
    assert made.rights == "non-commercial" and "WHAM" in made.licence
    assert made.body_model["name"] == "smpl" and made.shape_source == "true"


@needs_smpl
def test_unset_settings_are_known_before_the_build(bodies: BodyFiles, tmp_path: Path) -> None:
    given = {"folder": UserWeights(path=str(tmp_path)), "smpl": UserWeights(path=str(bodies.smpl))}
    wants = {
        "camerahmr": [],
        "wham": [],
        "gvhmr": ["smplx", "smplx_to_smpl"],
        "sam3d_body": ["mhr_to_smpl", "mhr_faces"],
    }
    for form, names in wants.items():
        section = MotionConfig(annotator="results", results=ResultsConfig(format=form, **given))
        assert find_unset_settings("motion", section) == [f"motion.results.{name}.path" for name in names]
