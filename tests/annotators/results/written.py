"""Files as the four programs write them, of one known motion."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from humove.motion.rotations import axis_angle_to_matrix
from tests.annotators.results.bodies import mhr_mesh, smplx_arrays
from tests.annotators.results.conftest import Truth

WORLD_TURN = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
"""From the first camera's axes (y down) to the world's (y up)."""


def to_matrices(axis_angle: np.ndarray) -> np.ndarray:
    return axis_angle_to_matrix(torch.from_numpy(axis_angle)).numpy()


def write_camerahmr(folder: Path, truth: Truth, size: tuple[int, int], focal: np.ndarray, first: int = 0) -> None:
    """Write CoMoVi's frames; the depth follows the frame's own focal length."""
    folder.mkdir(parents=True)
    turns = to_matrices(truth.pose).astype(np.float32)
    for i, row in enumerate(turns):
        transl = truth.transl[i].copy()
        transl[2] = (truth.transl[i, 2] + truth.rest_joints[0, 2]) * focal[i] / focal[0] - truth.rest_joints[0, 2]
        np.save(
            folder / f"{first + i:06d}.npy",
            {
                "verts": [truth.vertices[i]],
                "cam_t": [transl.astype(np.float32)],
                "render_res": np.array(size),
                "smpls": {
                    "global_orient": row[None, None, 0],
                    "body_pose": row[None, 1:],
                    "betas": truth.betas[None].astype(np.float32),
                },
                "scaled_focal_length": np.array(np.float32(focal[i])),
            },
        )


def camera_walk(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rotations (N, 3, 3) and positions (N, 3) m of a camera that pans to one side and walks forward."""
    turn = np.zeros((count, 3))
    turn[:, 1] = np.linspace(0, 0.5, count)
    position = np.stack([np.linspace(0, 1, count), np.full(count, 1.5), np.linspace(0, -0.4, count)], 1)
    return to_matrices(turn) @ WORLD_TURN, position


def move_to_world(truth: Truth, pelvis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convert to (root rotation (N, 3) axis-angle, transl (N, 3)) in the world of `camera_walk`, for a body whose rest
    pelvis is `pelvis`."""
    from humove.motion.rotations import matrix_to_axis_angle

    rotation, position = camera_walk(len(truth.pose))
    orient = matrix_to_axis_angle(torch.from_numpy(rotation @ to_matrices(truth.pose[:, 0]))).numpy()
    at = np.einsum("nij,nj->ni", rotation, truth.transl + pelvis) + position
    return orient, at - pelvis


def write_wham(path: Path, truth: Truth) -> None:
    """Write two people; the second one stands aside."""
    import joblib

    orient, transl = move_to_world(truth, truth.rest_joints[0])
    pose = truth.pose.reshape(len(truth.pose), 72)
    people: dict = defaultdict(dict)
    for who, aside in ((3, np.array([1.9, 0, 0])), (0, np.zeros(3))):
        people[who] = {
            "pose": pose.astype(np.float32),
            "trans": (truth.transl + aside).astype(np.float32),
            "pose_world": np.concatenate([orient, pose[:, 3:]], 1).astype(np.float32),
            "trans_world": transl.astype(np.float32),
            "betas": np.tile(truth.betas, (len(pose), 1)).astype(np.float32),
            "verts": truth.vertices[:, :5],
            "frame_ids": np.arange(len(pose)),
        }
    joblib.dump(people, path)


def write_gvhmr(path: Path, truth: Truth, size: tuple[int, int], focal: float) -> None:
    n = len(truth.pose)
    arrays, _ = smplx_arrays()
    rest = np.einsum("jv,vcb,b->jc", arrays["J_regressor"], arrays["shapedirs"], truth.betas)
    pelvis = (arrays["J_regressor"] @ arrays["v_template"] + rest)[0]
    orient, transl = move_to_world(truth, pelvis)
    body = truth.pose[:, 1:22].reshape(n, 63)

    def params(root: np.ndarray, at: np.ndarray) -> dict[str, torch.Tensor]:
        arrays = {"body_pose": body, "betas": np.tile(truth.betas, (n, 1)), "global_orient": root, "transl": at}
        return {name: torch.from_numpy(value).float() for name, value in arrays.items()}

    camera = torch.tensor([[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]])
    torch.save(
        {
            "smpl_params_incam": params(truth.pose[:, 0], truth.transl),
            "smpl_params_global": params(orient, transl),
            "K_fullimg": camera.expand(n, 3, 3),
            "net_outputs": {"static_conf_logits": torch.zeros(1, n, 6)},
        },
        path,
    )


def write_sam3d(folder: Path, truth: Truth, focal: float) -> None:
    folder.mkdir(parents=True)
    cam_t = np.array([0.1, -0.2, 3.0])
    for i, mesh in enumerate(mhr_mesh(truth.vertices)):
        np.savez(
            folder / f"frame_{i:05d}.npz",
            pred_vertices=(mesh - cam_t).astype(np.float32),
            pred_cam_t=cam_t.astype(np.float32),
            focal_length=np.float32(focal),
            bbox=np.zeros(4),
        )
