"""SAM 3D Body: the MHR mesh of each frame, brought to SMPL's vertices by MHR's published mapping, and refitted.

A NUMBER.npz a frame with what the estimator answers for the person: "pred_vertices" (18439, 3) m, "pred_cam_t" (3,) m
(camera frame, y down), "focal_length" px, as MHR's conversion tool takes them; or one .npz with these stacked.
"""

import zipfile
from pathlib import Path

import numpy as np

from annotators.results.bodies import Bodies
from annotators.results.found import Found, NotUsable, Picture, Wanted, rows
from annotators.results.frame_files import numbered

NAMES = (".npz", "/")
LICENCE = "SAM 3D Body: SAM licence; MHR: Apache-2.0; SMPL body: non-commercial research"
_KEYS = ("pred_vertices", "pred_cam_t", "focal_length")


def read(path: Path, wanted: Wanted, bodies: Bodies) -> list[Found]:
    """The one person of the file, on the wanted frames. Errors: NotUsable."""
    if path.is_dir():
        files = numbered(path, ".npz", wanted)
        frames = np.array([number for number, _ in files])
        each = [_arrays(file) for _, file in files]
        vertices, cam_t, focal = (np.stack([row[key] for row in each]) for key in _KEYS)
    else:
        said = _arrays(path)
        frames, at = wanted.rows_of(said.get("frame_ids"), len(said["pred_vertices"]))
        vertices, cam_t, focal = (said[key][at] for key in _KEYS)
    n = len(frames)
    cam_t, focal = rows(cam_t, (n, 3), "pred_cam_t"), rows(np.reshape(focal, -1), (n,), "focal_length")
    meshes = rows(vertices, (n, "N", 3), "pred_vertices") + cam_t[:, None]
    fitted = bodies.mhr.refit(bodies.mhr.vertices(meshes))
    picture = Picture(
        width=wanted.width, height=wanted.height, focal_px=focal, detail="SAM 3D Body's focal_length, median"
    )
    betas = np.tile(fitted.betas, (n, 1))
    return [Found(frames=frames, betas=betas, pose=fitted.pose, transl=fitted.transl, picture=picture)]


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as box:
            said = {name: box[name] for name in (*_KEYS, "frame_ids") if name in box.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise NotUsable(f"{path.name}: {error}") from error
    missing = [key for key in _KEYS if key not in said]
    if missing:
        raise NotUsable(f"{path.name} lacks {', '.join(missing)}")
    return said
