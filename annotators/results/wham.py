"""WHAM: SMPL in the camera and in the world, `wham_output.pkl` as its demo dumps it with joblib.

{person: {"pose" (M, 72), "trans" (M, 3), "pose_world" (M, 72), "trans_world" (M, 3), "betas" (M, 10), "frame_ids"
(M,)}}, axis-angle, metres, the world's y up. Without a calibration file WHAM takes the picture's diagonal for its focal
length.
"""

import math
from pathlib import Path

import numpy as np

from annotators.results.bodies import Bodies
from annotators.results.camera_path import camera_path
from annotators.results.found import Found, NotUsable, Picture, Wanted, rows
from annotators.results.pickles import read_pickled

NAMES = (".pkl", "/wham_output.pkl")
LICENCE = "WHAM: non-commercial research; SMPL body: non-commercial research"
_KEYS = ("pose", "trans", "pose_world", "trans_world", "betas", "frame_ids")


def read(path: Path, wanted: Wanted, bodies: Bodies) -> list[Found]:
    """Everyone in the file who is seen on a wanted frame. Errors: NotUsable."""
    try:
        people = read_pickled(path)
    except ValueError as error:
        raise NotUsable(f"{path.name} {error}") from error
    if not isinstance(people, dict) or not people or not all(isinstance(p, dict) for p in people.values()):
        raise NotUsable(f"{path.name} holds no people; WHAM's wham_output.pkl does")
    return [
        _person(f"{path.name}, person {who}", said, wanted, bodies)
        for who, said in people.items()
        if np.isin(said.get("frame_ids", wanted.frames), wanted.frames).any()
    ]


def _person(where: str, said: dict, wanted: Wanted, bodies: Bodies) -> Found:
    missing = [key for key in _KEYS if key not in said]
    if missing:
        raise NotUsable(f"{where} lacks {', '.join(missing)}")
    n = len(said["frame_ids"])
    pose, world = (rows(said[key], (n, 72), f"{where}: {key}").reshape(n, 24, 3) for key in ("pose", "pose_world"))
    transl, transl_world = (rows(said[key], (n, 3), f"{where}: {key}") for key in ("trans", "trans_world"))
    betas = rows(said["betas"], (n, 10), f"{where}: betas")
    frames, at = wanted.rows_of(said["frame_ids"], n)
    pose, world, transl, transl_world, betas = (x[at] for x in (pose, world, transl, transl_world, betas))
    pelvis = bodies.smpl.rest_joints(betas)[:, 0]
    return Found(
        frames=frames,
        betas=betas,
        pose=pose,
        transl=transl,
        picture=Picture(
            width=wanted.width,
            height=wanted.height,
            focal_px=np.full(len(frames), math.hypot(wanted.width, wanted.height)),
            detail="WHAM's own rule: the picture's diagonal",
        ),
        camera_path=camera_path(pose[:, 0], transl + pelvis, world[:, 0], transl_world + pelvis),
    )
