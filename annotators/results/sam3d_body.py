"""SAM 3D Body: the MHR mesh of each frame, mapped to SMPL's vertices by MHR's published mapping, and refitted.

A NUMBER.npz per frame with the estimator's output for the person: "pred_vertices" (18439, 3) m, "pred_cam_t" (3,) m
(camera frame, y down), "focal_length" px, as MHR's conversion tool takes them; or one .npz with these stacked.
"""

import zipfile
from pathlib import Path

import numpy as np

from annotators.results.bodies import Bodies
from annotators.results.found import FrameRequest, ImageCamera, PersonMotion, UnusableFile, check_array
from annotators.results.frame_files import list_frame_files

NAMES = (".npz", "/")
LICENCE = "SAM 3D Body: SAM licence; MHR: Apache-2.0; SMPL body: non-commercial research"
_KEYS = ("pred_vertices", "pred_cam_t", "focal_length")


def read_people(path: Path, request: FrameRequest, bodies: Bodies) -> list[PersonMotion]:
    """Read the one person of the file on the requested frames. Errors: UnusableFile."""
    if path.is_dir():
        files = list_frame_files(path, ".npz", request)
        frames = np.array([number for number, _ in files])
        each = [_read_arrays(file) for _, file in files]
        vertices, cam_t, focal = (np.stack([row[key] for row in each]) for key in _KEYS)
    else:
        arrays = _read_arrays(path)
        frames, at = request.select_rows(arrays.get("frame_ids"), len(arrays["pred_vertices"]))
        vertices, cam_t, focal = (arrays[key][at] for key in _KEYS)
    n = len(frames)
    cam_t, focal = check_array(cam_t, (n, 3), "pred_cam_t"), check_array(np.reshape(focal, -1), (n,), "focal_length")
    meshes = check_array(vertices, (n, "N", 3), "pred_vertices") + cam_t[:, None]
    fitted = bodies.mhr.refit(bodies.mhr.map_vertices(meshes))
    camera = ImageCamera(
        width=request.width, height=request.height, focal_px=focal, detail="SAM 3D Body's focal_length, median"
    )
    betas = np.tile(fitted.betas, (n, 1))
    return [PersonMotion(frames=frames, betas=betas, pose=fitted.pose, transl=fitted.transl, camera=camera)]


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in (*_KEYS, "frame_ids") if name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UnusableFile(f"{path.name}: {error}") from error
    missing = [key for key in _KEYS if key not in arrays]
    if missing:
        raise UnusableFile(f"{path.name} lacks {', '.join(missing)}")
    return arrays
