"""NLF's TorchScript file on a device: frames, boxes and cameras in, its output unchanged."""

from typing import Any

import numpy as np

from annotators.network import Columns, to_tensor
from annotators.nlf.config import NlfConfig
from humove.errors import UserError

_METHOD = "estimate_smpl_batched"


class NlfNetwork:
    """NLF on one person on each frame.

    In: frames (B, H, W, 3) uint8 RGB, boxes (B, 4) xyxy px, cameras (B, 3, 3) px. Out, float64, NaN if NLF gives no
    body: pose (B, 24, 3) axis-angle, betas (B, 10), translation (B, 3) m, joints (B, 24, 3) mm, and uncertainties
    (B, 24) mm, which are 0 in a file that has none.
    """

    def __init__(self, config: NlfConfig) -> None:
        self.config = config
        self.batch_size = config.batch_size

    def load(self, device: str) -> None:
        """Load the file. TorchScript holds a program for torch's own interpreter, not a pickle of Python objects.

        Errors: UserError if the file is missing, does not match its sha256, is no TorchScript, or is not NLF's
        multi-person model.
        """
        path = self.config.weights.resolve_file("motion.nlf.weights")

        import torch
        import torchvision  # noqa: F401 - the file's graph names operators that torchvision registers

        try:
            self._module = torch.jit.load(str(path), map_location=device).eval()
        except (RuntimeError, ValueError) as error:
            message = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UserError(
                f"motion.nlf.weights: {path} is no TorchScript file that torch {torch.__version__} can read "
                f"({message}); name NLF's nlf_l_multi_*.torchscript"
            ) from error
        if not hasattr(self._module, _METHOD):
            raise UserError(
                f"motion.nlf.weights: {path} has no {_METHOD}: it is another model; name NLF's "
                "nlf_l_multi_*.torchscript (not the one for crops)"
            )
        self._path, self._device = path, device

    def constants(self) -> dict[str, np.ndarray]:
        return {}

    def run(self, inputs: Columns) -> Columns:
        import torch

        frames, boxes_xyxy, cameras = inputs
        if (cameras == cameras[0]).all():
            cameras = cameras[:1]  # NLF takes one for all frames, or one per frame
        with torch.inference_mode():
            sides = to_tensor(boxes_xyxy.astype(np.float32)).to(self._device)
            boxes = torch.cat([sides[:, :2], sides[:, 2:] - sides[:, :2]], 1)  # NLF takes corner and size
            found = getattr(self._module, _METHOD)(
                to_tensor(frames).permute(0, 3, 1, 2).to(self._device),
                [box[None] for box in boxes],
                intrinsic_matrix=to_tensor(cameras.astype(np.float32)).to(self._device),
                num_aug=self.config.num_aug,
                internal_batch_size=max(len(frames), self.config.num_aug),
                model_name="smpl",
            )
        n = len(frames)
        unsure = self._collect_rows(found, "joint_uncertainties", (n, 24)) if "joint_uncertainties" in found else None
        return (
            self._collect_rows(found, "pose", (n, 24, 3)),
            self._collect_rows(found, "betas", (n, 10)),
            self._collect_rows(found, "trans", (n, 3)),
            self._collect_rows(found, "joints3d", (n, 24, 3)),
            np.zeros((n, 24)) if unsure is None else unsure,
        )

    def _collect_rows(self, found: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Collect the first person of each frame from a list of (people, ...) tensors in one array."""
        if name not in found:
            raise UserError(f"motion.nlf.weights: {self._path} gives no {name}; name a release from 0.2.2 on")
        rows = np.full(shape, np.nan)
        for i, people in enumerate(found[name]):
            if len(people):
                rows[i] = people[0].double().cpu().numpy().reshape(shape[1:])
        return rows
