"""A TorchScript file with the interface of NLF's multi-person model, whose output follows from its input.

Box and camera determine the body's position; the brightness of the frame's left half raises its left shoulder, that of
the right half its right shoulder, so that a mirrored frame gives a mirrored body.
"""

from pathlib import Path
from typing import Optional

import numpy as np
import torch
from torch import Tensor

from humove.motion.body import Body
from humove.motion.skeletons import SMPL_JOINTS, SMPL_PARENTS

HEIGHT_M = 1.7
"""Height of every person: the box's height is that of the body."""
RAISE = 1.2
"""Radians that a shoulder turns about z in full light."""
LEFT, RIGHT = SMPL_JOINTS.index("left_shoulder"), SMPL_JOINTS.index("right_shoulder")
UNSURE_MM = 30.0


class StandIn(torch.nn.Module):
    """Only `estimate_smpl_batched`, with the arguments of NLF 0.3.2."""

    parents: list[int]

    def __init__(self, *, centred: bool = False) -> None:
        super().__init__()
        rest = torch.from_numpy(Body.load().rest_joints.astype(np.float64))
        middle = rest.clone()
        middle[:, 0] = 0  # of the joints in the middle; the sides are made to mirror each other
        for a, name in enumerate(SMPL_JOINTS):
            b = SMPL_JOINTS.index(name.replace("left", "x").replace("right", "left").replace("x", "right"))
            mirrored = rest[b] * torch.tensor([-1.0, 1.0, 1.0])
            middle[a] = (rest[a] + mirrored) / 2
        self.register_buffer("rest", middle)
        self.parents = list(SMPL_PARENTS)
        self.centred = centred

    @torch.jit.export
    def estimate_smpl_batched(
        self,
        images: Tensor,
        boxes: list[Tensor],
        intrinsic_matrix: Optional[Tensor] = None,  # noqa: UP045 - TorchScript reads this spelling
        distortion_coeffs: Optional[Tensor] = None,  # noqa: UP045
        extrinsic_matrix: Optional[Tensor] = None,  # noqa: UP045
        world_up_vector: Optional[Tensor] = None,  # noqa: UP045
        default_fov_degrees: float = 55.0,
        internal_batch_size: int = 64,
        antialias_factor: int = 1,
        num_aug: int = 1,
        rot_aug_max_degrees: float = 25.0,
        beta_regularizer: float = 10.0,
        beta_regularizer2: float = 0.0,
        model_name: str = "smpl",
    ) -> dict[str, list[Tensor]]:
        assert intrinsic_matrix is not None
        assert images.dtype == torch.uint8 and model_name == "smpl"
        cameras = intrinsic_matrix.double()
        out: dict[str, list[Tensor]] = {
            "pose": [], "betas": [], "trans": [], "joints3d": [], "joint_uncertainties": []
        }  # fmt: skip
        for i in range(len(boxes)):
            camera = cameras[i] if len(cameras) > 1 else cameras[0]
            box = boxes[i].double()[0]
            if images[i].max() == 0:  # nobody on a black frame
                for name in ("pose", "betas", "trans", "joints3d", "joint_uncertainties"):
                    out[name].append(torch.zeros(0, 72))
                continue
            half = images.shape[3] // 2
            pose = torch.zeros(24, 3, dtype=torch.float64)
            pose[0, 0] = torch.pi  # upright in a camera whose y points down
            pose[16, 2] = 1.2 * images[i, :, :, :half].double().mean() / 255
            pose[17, 2] = -1.2 * images[i, :, :, half:].double().mean() / 255
            depth = camera[1, 1] * 1.7 / box[3]
            centre = box[:2] + box[2:] / 2
            pelvis = torch.stack([
                (centre[0] - camera[0, 2]) / camera[0, 0] * depth,
                (centre[1] - camera[1, 2]) / camera[1, 1] * depth,
                depth,
            ])  # fmt: skip
            turns, places = [self._turn(pose[0])], [pelvis]
            for joint in range(1, 24):
                parent = self.parents[joint]
                turns.append(turns[parent] @ self._turn(pose[joint]))
                places.append(places[parent] + turns[parent] @ (self.rest[joint] - self.rest[parent]))
            joints = torch.stack(places)
            trans = pelvis - self.rest[0]
            if self.centred:
                trans = trans - joints.mean(0)
            out["pose"].append(pose.reshape(1, 72).float())
            out["betas"].append(torch.full((1, 10), 0.5))
            out["trans"].append(trans[None].float())
            out["joints3d"].append(1000 * joints[None].float())
            out["joint_uncertainties"].append(torch.full((1, 24), 30.0 / num_aug))
        return out

    def _turn(self, axis_angle: Tensor) -> Tensor:
        angle = axis_angle.norm()
        k = axis_angle / torch.clamp(angle, min=1e-12)
        zero = torch.zeros_like(angle)
        cross = torch.stack([zero, -k[2], k[1], k[2], zero, -k[0], -k[1], k[0], zero]).reshape(3, 3)
        return torch.eye(3, dtype=torch.float64) + angle.sin() * cross + (1 - angle.cos()) * (cross @ cross)

    def forward(self, x: Tensor) -> Tensor:
        return x


def write_nlf(path: Path, **how: bool) -> Path:
    """Write a file like NLF's published ones."""
    torch.jit.script(StandIn(**how)).save(str(path))
    return path
