"""GVHMR: SMPL-X in the camera and in a world along gravity, `hmr4d_results.pt` as its demo saves it with torch.

{"smpl_params_incam" and "smpl_params_global": {"body_pose" (M, 63), "betas" (M, 10), "global_orient" (M, 3),
"transl" (M, 3)}, "K_fullimg" (M, 3, 3)}, axis-angle, metres, the world's y up; a row for every frame of the video.
"""

from pathlib import Path

import numpy as np
import torch

from annotators.results.bodies import Bodies
from annotators.results.camera_path import camera_path
from annotators.results.found import Found, NotUsable, Picture, Wanted, rows

NAMES = (".pt", "/hmr4d_results.pt")
LICENCE = "GVHMR: non-commercial research; SMPL and SMPL-X bodies: non-commercial research"
_PARAMS = {"body_pose": 63, "betas": 10, "global_orient": 3, "transl": 3}


def read(path: Path, wanted: Wanted, bodies: Bodies) -> list[Found]:
    """The one person of the file, on the wanted frames. Errors: NotUsable."""
    said = _loaded(path)
    camera, world = (_params(path, said, name) for name in ("smpl_params_incam", "smpl_params_global"))
    n = len(camera["transl"])
    if len(world["transl"]) != n:
        raise NotUsable(f"{path.name}: {n} frames in the camera, {len(world['transl'])} in the world")
    intrinsics = rows(said["K_fullimg"], (n, 3, 3), f"{path.name}: K_fullimg")
    frames, at = wanted.rows_of(None, n)
    camera, world = ({key: value[at] for key, value in each.items()} for each in (camera, world))
    n, intrinsics = len(frames), intrinsics[at]
    pelvis = bodies.smplx.pelvis(camera["betas"])
    pelvis_world = bodies.smplx.pelvis(world["betas"])
    body = np.concatenate([camera["global_orient"], camera["body_pose"]], 1).reshape(n, 22, 3)
    fitted = bodies.smplx.as_smpl(camera["betas"], body, camera["transl"])
    return [
        Found(
            frames=frames,
            betas=np.tile(fitted.betas, (n, 1)),
            pose=fitted.pose,
            transl=fitted.transl,
            picture=Picture(
                width=2 * float(intrinsics[0, 0, 2]),
                height=2 * float(intrinsics[0, 1, 2]),
                focal_px=intrinsics[:, 0, 0],
                detail="GVHMR's K_fullimg",
            ),
            camera_path=camera_path(
                camera["global_orient"],
                camera["transl"] + pelvis,
                world["global_orient"],
                world["transl"] + pelvis_world,
            ),
        )
    ]


def _loaded(path: Path) -> dict:
    try:
        said = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for files that are none of its own, or hold more than tensors
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NotUsable(f"{path.name} is no file of tensors: {said}") from error
    missing = [key for key in ("smpl_params_incam", "smpl_params_global", "K_fullimg") if key not in said]
    if missing:
        raise NotUsable(f"{path.name} lacks {', '.join(missing)}; GVHMR's hmr4d_results.pt has them")
    return said


def _params(path: Path, said: dict, name: str) -> dict[str, np.ndarray]:
    missing = [key for key in _PARAMS if key not in said[name]]
    if missing:
        raise NotUsable(f"{path.name}: {name} lacks {', '.join(missing)}")
    return {key: rows(said[name][key], ("N", size), f"{path.name}: {name}.{key}") for key, size in _PARAMS.items()}
