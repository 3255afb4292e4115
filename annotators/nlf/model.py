"""NLF's TorchScript file, and its answers in metres."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from humove.body import world_transforms
from humove.errors import UserError
from humove.rotations import axis_angle_to_matrix
from humove.skeletons import SMPL_PARENTS

_METHOD = "estimate_smpl_batched"
_MM = 1000.0
_PELVIS_REACH_M = 0.6
"""SMPL's pelvis lies so near its origin, whatever the betas; the mean body's is 0.23 m off."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NlfFrames:
    """What NLF says of one person on N frames, camera frame, metres. Rows that it could not fit hold NaN."""

    pose: np.ndarray
    """(N, 24, 3) axis-angle, the root first."""
    betas: np.ndarray
    """(N, 10)."""
    transl: np.ndarray
    """(N, 3) m."""
    joints: np.ndarray
    """(N, 24, 3) m."""
    rest_joints: np.ndarray
    """(N, 24, 3) m: the joints of that row's body in T-pose."""
    uncertainty: np.ndarray
    """(N,) m: the mean over the joints of what NLF expects to be off."""


class NlfModel:
    """The network, on a device."""

    def __init__(self, path: Path, device: str) -> None:
        """Loads the file. TorchScript holds a program for torch's own interpreter, not a pickle of Python objects.

        Errors: UserError where the file is no TorchScript, or another model than NLF's for several people.
        """
        import torchvision  # noqa: F401 - the file's graph names operators that torchvision registers

        try:
            self._module = torch.jit.load(str(path), map_location=device).eval()
        except (RuntimeError, ValueError) as error:
            said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UserError(
                f"motion.nlf.weights: {path} is no TorchScript file that torch {torch.__version__} can read ({said}); "
                "name NLF's nlf_l_multi_*.torchscript"
            ) from error
        if not hasattr(self._module, _METHOD):
            raise UserError(
                f"motion.nlf.weights: {path} has no {_METHOD}: it is another model; name NLF's "
                "nlf_l_multi_*.torchscript (not the one for crops)"
            )
        self._path, self._device = path, device

    @torch.inference_mode()
    def __call__(self, images: np.ndarray, boxes_xyxy: np.ndarray, intrinsics: np.ndarray, num_aug: int) -> NlfFrames:
        """One person on each frame. images: (N, H, W, 3) uint8 RGB; boxes_xyxy: (N, 4) px; intrinsics: (3, 3) px."""
        sides = torch.from_numpy(np.asarray(boxes_xyxy, dtype=np.float32)).to(self._device)
        boxes = torch.cat([sides[:, :2], sides[:, 2:] - sides[:, :2]], 1)  # NLF wants corner and size
        found = getattr(self._module, _METHOD)(
            torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).to(self._device),
            [box[None] for box in boxes],
            intrinsic_matrix=torch.from_numpy(np.asarray(intrinsics, dtype=np.float32))[None].to(self._device),
            num_aug=num_aug,
            internal_batch_size=max(len(images), num_aug),
            model_name="smpl",
        )
        n = len(images)
        joints = self._rows(found, "joints3d", (n, 24, 3)) / _MM
        unsure = self._rows(found, "joint_uncertainties", (n, 24)) / _MM if "joint_uncertainties" in found else None
        pose = self._rows(found, "pose", (n, 24, 3))
        transl = self._translations(self._rows(found, "trans", (n, 3)), joints)
        return NlfFrames(
            pose=pose,
            betas=self._rows(found, "betas", (n, 10)),
            transl=transl,
            joints=joints,
            rest_joints=rest_joints(pose, joints, transl),
            uncertainty=np.zeros(n) if unsure is None else unsure.mean(1),
        )

    def _rows(self, found: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """The first person of each frame: a list of (people, ...) tensors becomes one array."""
        if name not in found:
            raise UserError(f"motion.nlf.weights: {self._path} answers without {name}; name a release from 0.2.2 on")
        rows = np.full(shape, np.nan)
        for i, people in enumerate(found[name]):
            if len(people):
                rows[i] = people[0].double().cpu().numpy().reshape(shape[1:])
        return rows

    def _translations(self, transl: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """Releases before 0.2.2 gave translations about the body's own middle: those would put everyone at the lens."""
        pelvis = np.linalg.norm(joints[:, 0] - transl, axis=1)
        known = pelvis[np.isfinite(pelvis)]
        if len(known) and np.median(known) > _PELVIS_REACH_M:
            raise UserError(
                f"motion.nlf.weights: {self._path} puts the pelvis {np.median(known):.1f} m from the body's origin: "
                "its translations are not in metres of the camera's frame; name a release from 0.2.2 on"
            )
        return transl


def rest_joints(pose: np.ndarray, joints: np.ndarray, transl: np.ndarray) -> np.ndarray:
    """(N, 24, 3) m: the joints in T-pose that, posed, are the frame's joints. No SMPL file is needed for it.

    NLF's joints are those of a fitted SMPL body, so each bone turned back by its parent's rotation is the bone at rest.
    """
    turns = axis_angle_to_matrix(torch.from_numpy(np.nan_to_num(pose)))
    world, _ = world_transforms(torch.zeros(24, 3, dtype=turns.dtype), turns, torch.zeros(len(pose), 3).double())
    rest = np.empty_like(joints)
    rest[:, 0] = joints[:, 0] - transl
    for joint, parent in enumerate(SMPL_PARENTS):
        if parent >= 0:
            bone = joints[:, joint] - joints[:, parent]
            rest[:, joint] = rest[:, parent] + np.einsum("nji,nj->ni", world[:, parent].numpy(), bone)
    return rest
