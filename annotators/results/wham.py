"""WHAM: SMPL in the camera and in the world, `wham_output.pkl` as its demo dumps it with joblib.

{person: {"pose" (M, 72), "trans" (M, 3), "pose_world" (M, 72), "trans_world" (M, 3), "betas" (M, 10), "frame_ids"
(M,)}}, axis-angle, metres, the world's y up. Without a calibration file WHAM uses the image's diagonal as focal
length.
"""

import math
from pathlib import Path

import numpy as np

from annotators.results.bodies import Bodies
from annotators.results.camera_path import compute_camera_path
from annotators.results.found import FrameRequest, ImageCamera, PersonMotion, UnusableFile, check_array
from annotators.results.pickles import read_pickled

NAMES = (".pkl", "/wham_output.pkl")
LICENCE = "WHAM: non-commercial research; SMPL body: non-commercial research"
_KEYS = ("pose", "trans", "pose_world", "trans_world", "betas", "frame_ids")


def read_people(path: Path, request: FrameRequest, bodies: Bodies) -> list[PersonMotion]:
    """Read all people in the file on the requested frames. Errors: UnusableFile."""
    try:
        people = read_pickled(path)
    except ValueError as error:
        raise UnusableFile(f"{path.name} {error}") from error
    if not isinstance(people, dict) or not people or not all(isinstance(p, dict) for p in people.values()):
        raise UnusableFile(f"{path.name} holds no people; WHAM's wham_output.pkl does")
    return [
        _make_person(f"{path.name}, person {person_id}", arrays, request, bodies)
        for person_id, arrays in people.items()
        if np.isin(arrays.get("frame_ids", request.frames), request.frames).any()
    ]


def _make_person(where: str, arrays: dict, request: FrameRequest, bodies: Bodies) -> PersonMotion:
    missing = [key for key in _KEYS if key not in arrays]
    if missing:
        raise UnusableFile(f"{where} lacks {', '.join(missing)}")
    n = len(arrays["frame_ids"])
    pose, world = (
        check_array(arrays[key], (n, 72), f"{where}: {key}").reshape(n, 24, 3) for key in ("pose", "pose_world")
    )
    transl, transl_world = (check_array(arrays[key], (n, 3), f"{where}: {key}") for key in ("trans", "trans_world"))
    betas = check_array(arrays["betas"], (n, 10), f"{where}: betas")
    frames, at = request.select_rows(arrays["frame_ids"], n)
    pose, world, transl, transl_world, betas = (x[at] for x in (pose, world, transl, transl_world, betas))
    pelvis = bodies.smpl.compute_rest_joints(betas)[:, 0]
    return PersonMotion(
        frames=frames,
        betas=betas,
        pose=pose,
        transl=transl,
        camera=ImageCamera(
            width=request.width,
            height=request.height,
            focal_px=np.full(len(frames), math.hypot(request.width, request.height)),
            detail="WHAM's own rule: the picture's diagonal",
        ),
        camera_path=compute_camera_path(pose[:, 0], transl + pelvis, world[:, 0], transl_world + pelvis),
    )
