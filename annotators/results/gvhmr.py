"""GVHMR: SMPL-X in the camera and in a world along gravity, `hmr4d_results.pt` as its demo saves it with torch.

{"smpl_params_incam" and "smpl_params_global": {"body_pose" (M, 63), "betas" (M, 10), "global_orient" (M, 3),
"transl" (M, 3)}, "K_fullimg" (M, 3, 3)}, axis-angle, metres, the world's y up; a row for every frame of the video.
"""

from pathlib import Path

import numpy as np
import torch

from annotators.results.bodies import Bodies
from annotators.results.camera_path import compute_camera_path
from annotators.results.found import FrameRequest, ImageCamera, PersonMotion, UnusableFile, check_array

NAMES = (".pt", "/hmr4d_results.pt")
LICENCE = "GVHMR: non-commercial research; SMPL and SMPL-X bodies: non-commercial research"
_PARAMS = {"body_pose": 63, "betas": 10, "global_orient": 3, "transl": 3}


def read_people(path: Path, request: FrameRequest, bodies: Bodies) -> list[PersonMotion]:
    """Read the one person of the file on the requested frames. Errors: UnusableFile."""
    tensors = _load_tensors(path)
    camera, world = (_read_params(path, tensors, name) for name in ("smpl_params_incam", "smpl_params_global"))
    n = len(camera["transl"])
    if len(world["transl"]) != n:
        raise UnusableFile(f"{path.name}: {n} frames in the camera, {len(world['transl'])} in the world")
    intrinsics = check_array(tensors["K_fullimg"], (n, 3, 3), f"{path.name}: K_fullimg")
    frames, at = request.select_rows(None, n)
    camera, world = ({key: value[at] for key, value in each.items()} for each in (camera, world))
    n, intrinsics = len(frames), intrinsics[at]
    pelvis = bodies.smplx.compute_pelvis(camera["betas"])
    pelvis_world = bodies.smplx.compute_pelvis(world["betas"])
    body = np.concatenate([camera["global_orient"], camera["body_pose"]], 1).reshape(n, 22, 3)
    fitted = bodies.smplx.fit_smpl(camera["betas"], body, camera["transl"])
    return [
        PersonMotion(
            frames=frames,
            betas=np.tile(fitted.betas, (n, 1)),
            pose=fitted.pose,
            transl=fitted.transl,
            camera=ImageCamera(
                width=2 * float(intrinsics[0, 0, 2]),
                height=2 * float(intrinsics[0, 1, 2]),
                focal_px=intrinsics[:, 0, 0],
                detail="GVHMR's K_fullimg",
            ),
            camera_path=compute_camera_path(
                camera["global_orient"],
                camera["transl"] + pelvis,
                world["global_orient"],
                world["transl"] + pelvis_world,
            ),
        )
    ]


def _load_tensors(path: Path) -> dict:
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for other files and for more than tensors
        message = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UnusableFile(f"{path.name} is no file of tensors: {message}") from error
    missing = [key for key in ("smpl_params_incam", "smpl_params_global", "K_fullimg") if key not in tensors]
    if missing:
        raise UnusableFile(f"{path.name} lacks {', '.join(missing)}; GVHMR's hmr4d_results.pt has them")
    return tensors


def _read_params(path: Path, tensors: dict, name: str) -> dict[str, np.ndarray]:
    missing = [key for key in _PARAMS if key not in tensors[name]]
    if missing:
        raise UnusableFile(f"{path.name}: {name} lacks {', '.join(missing)}")
    return {
        key: check_array(tensors[name][key], ("N", size), f"{path.name}: {name}.{key}") for key, size in _PARAMS.items()
    }
