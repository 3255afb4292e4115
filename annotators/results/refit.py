"""SMPL fitted to vertices in SMPL's order by smplfitter, on a device or by a server."""

import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from annotators.network import Columns, Network, make_ragged_column, to_tensor
from annotators.results.config import ResultsConfig
from annotators.results.found import UnusableFile
from annotators.smpl.model_file import KEYS, read_arrays
from humove.errors import UserError

_NUM_BETAS = 10
_SHAPE_FRAMES = 16
"""Number of frames, spread over the clip, for the fit of its shape."""
_BATCH_FRAMES = 32
_ROUNDS = 4
_SHAPE_WEIGHT = 1e-3
"""Weight of the squared betas against squared metres summed over the vertices: low, since there are many vertices."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedSmpl:
    """An SMPL body on N frames."""

    betas: np.ndarray
    """(10,)."""
    pose: np.ndarray
    """(N, 24, 3) axis-angle."""
    transl: np.ndarray
    """(N, 3) m."""


class RefitNetwork:
    """SMPL refit, a row per clip. In: a ragged column of vertices (N, 6890, 3) float32 m, and one of initial poses
    (N, 24, 3) float32, of no frames if none is known. Out: betas (B, 10), and ragged columns of poses (N, 24, 3) and
    translations (N, 3) m, all float64."""

    batch_size = 1

    def __init__(self, config: ResultsConfig) -> None:
        self.config = config

    def load(self, device: str) -> None:
        """Read SMPL. Errors: UserError if the file is missing or wrong, or smplfitter is not installed."""
        self._refit = SmplRefit(read_arrays(self.config.smpl.resolve_file("motion.results.smpl")), device)

    def constants(self) -> dict[str, np.ndarray]:
        """`num_vertices` of the body."""
        return {"num_vertices": np.array(self._refit.num_vertices, np.int64)}

    def run(self, inputs: Columns) -> Columns:
        fits = [self._refit(vertices, start if len(start) else None) for vertices, start in zip(*inputs, strict=True)]
        betas = np.stack([fit.betas for fit in fits])
        return betas, make_ragged_column([fit.pose for fit in fits]), make_ragged_column([fit.transl for fit in fits])


class Refit:
    """SMPL fit by a network, which may run in another process."""

    def __init__(self, network: Network) -> None:
        """`network` is a loaded RefitNetwork, or a client of one."""
        self._network = network
        self._num_vertices = int(network.constants()["num_vertices"])

    def __call__(self, vertices: np.ndarray, start: np.ndarray | None = None) -> FittedSmpl:
        """Fit as `SmplRefit` does. Errors: UnusableFile for another number of vertices."""
        if vertices.shape[1:] != (self._num_vertices, 3):
            raise UnusableFile(f"{vertices.shape[1]} vertices, the SMPL body has {self._num_vertices}")
        init = np.zeros((0, 24, 3)) if start is None else start
        betas, pose, transl = self._network.run(
            (make_ragged_column([np.asarray(vertices, np.float32)]), make_ragged_column([np.asarray(init, np.float32)]))
        )
        return FittedSmpl(betas=betas[0], pose=pose[0], transl=transl[0])


class SmplRefit:
    """Fit of SMPL parameters to meshes of SMPL's 6890 vertices."""

    def __init__(self, arrays: dict[str, np.ndarray], device: str) -> None:
        """`arrays` are those of an SMPL file (`annotators.smpl.model_file`). Errors: UserError without smplfitter."""
        self._fitter = _import_smplfitter().BodyFitter(load_body_model("smpl", arrays, device)).to(device)
        self._device = device
        self.num_vertices = self._fitter.body_model.num_vertices

    @torch.inference_mode()
    def __call__(self, vertices: np.ndarray, start: np.ndarray | None = None) -> FittedSmpl:
        """Fit vertices (N, 6890, 3) float32 m with one shape for all frames. `start` (N, 24, 3) float32 axis-angle is
        an initial pose: it decides what the vertices leave undetermined, such as the twist of a thin limb."""
        target = to_tensor(vertices)
        guess = None if start is None else to_tensor(start).flatten(1)
        spread = torch.linspace(0, len(target) - 1, min(_SHAPE_FRAMES, len(target))).round().long()
        shape = self._fit_shape(target[spread], None if guess is None else guess[spread])
        pose, transl = [], []
        for rows in torch.arange(len(target)).split(_BATCH_FRAMES):
            fit = self._fitter.fit_with_known_shape(
                shape_betas=shape.expand(len(rows), -1),
                target_vertices=target[rows].to(self._device),
                initial_pose_rotvecs=None if guess is None else guess[rows].to(self._device),
                num_iter=_ROUNDS,
                requested_keys=["pose_rotvecs"],
            )
            pose.append(fit["pose_rotvecs"].reshape(-1, 24, 3).double().cpu())
            transl.append(fit["trans"].double().cpu())
        return FittedSmpl(
            betas=shape[0].double().cpu().numpy(), pose=torch.cat(pose).numpy(), transl=torch.cat(transl).numpy()
        )

    def _fit_shape(self, target: torch.Tensor, guess: torch.Tensor | None) -> torch.Tensor:
        """Fit betas (1, 10) to the frames in `target`. Under a known pose they are a linear problem, without the
        ambiguity of a limb's rotation and shape."""
        options = {"target_vertices": target.to(self._device), "beta_regularizer": _SHAPE_WEIGHT, "share_beta": True}
        if guess is not None:
            return self._fitter.fit_with_known_pose(pose_rotvecs=guess.to(self._device), **options)["shape_betas"][:1]
        return self._fitter.fit(num_iter=_ROUNDS, requested_keys=["shape_betas"], **options)["shape_betas"][:1]


def load_body_model(kind: str, arrays: dict[str, np.ndarray], device: str) -> torch.nn.Module:
    """Load smplfitter's model of a body ("smpl" or "smplx") with 10 betas.

    smplfitter reads files of fixed names and trusts pickles, so it gets a temporary folder with arrays that were read
    without running code from the user's files.
    """
    fitter = _import_smplfitter()
    with tempfile.TemporaryDirectory(prefix="body-") as folder:
        body = {key: np.asarray(arrays[key]) for key in KEYS}
        if kind == "smpl":
            with (Path(folder) / "basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl").open("wb") as file:
                pickle.dump(body, file)
        else:
            np.savez(Path(folder) / "SMPLX_NEUTRAL.npz", **body)
        np.save(Path(folder) / "kid_template.npy", np.zeros_like(body["v_template"]))  # its value for "none"
        return fitter.BodyModel(kind, "neutral", model_root=folder, num_betas=_NUM_BETAS).to(device)


def _import_smplfitter() -> Any:
    try:
        import smplfitter.pt
    except ImportError as error:
        raise UserError("smplfitter is not installed; it comes with make setup EXTRAS=smpl") from error
    return smplfitter.pt
