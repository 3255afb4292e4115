"""Normalisation of features to mean 0 and deviation 1 over the training set."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from echomotion_model.motion.layout import FEATURES
from humove.errors import UserError
from humove.storage.atomic import replace_atomically
from shards.npz import encode_npz

_FLOOR = 0.01
"""Minimum deviation (1 cm; about half a degree): scaling a channel that moves less would amplify noise."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Normalizer:
    """Mean and deviation of each of the 235 channels. It is part of a checkpoint, as the weights are."""

    mean_F: torch.Tensor
    """(235,) float32"""
    std_F: torch.Tensor
    """(235,) float32, above zero"""

    def __post_init__(self) -> None:
        for name in ("mean_F", "std_F"):
            tensor = getattr(self, name)
            if tensor.shape != (FEATURES,) or not tensor.isfinite().all():
                raise ValueError(f"{name} is {tuple(tensor.shape)}: expected ({FEATURES},), finite")
        if not (self.std_F > 0).all():
            raise ValueError("std_F has channels at or below zero")

    @classmethod
    def fit(cls, clips: Iterable[torch.Tensor]) -> "Normalizer":
        """Fit to features (..., 235) of clips; each frame has the same weight. ValueError without clips."""
        count, total, squares = 0, torch.zeros(FEATURES).double(), torch.zeros(FEATURES).double()
        # Relative to the first frame: far from the origin, a plain sum of squares would lose precision.
        first: torch.Tensor | None = None
        for clip in clips:
            rows = clip.detach().cpu().double().reshape(-1, FEATURES)
            first = rows[0] if first is None else first
            count, total, squares = (
                count + len(rows),
                total + (rows - first).sum(0),
                squares + (rows - first).square().sum(0),
            )
        if first is None:
            raise ValueError("no features to take a mean of")
        mean = total / count
        std = (squares / count - mean.square()).clamp_min(0).sqrt().clamp_min(_FLOOR)
        return cls(mean_F=(first + mean).float(), std_F=std.float())

    def normalize(self, features_TF: torch.Tensor) -> torch.Tensor:
        """Normalise (..., 235) features, float32."""
        return (features_TF.float() - self.mean_F.to(features_TF.device)) / self.std_F.to(features_TF.device)

    def denormalize(self, normal_TF: torch.Tensor) -> torch.Tensor:
        """Invert `normalize`."""
        return normal_TF.float() * self.std_F.to(normal_TF.device) + self.mean_F.to(normal_TF.device)

    def save(self, path: Path) -> None:
        """Write an npz of mean and std, atomically."""
        with replace_atomically(path) as temporary:
            temporary.write_bytes(encode_npz({"mean": self.mean_F.cpu().numpy(), "std": self.std_F.cpu().numpy()}))

    @classmethod
    def load(cls, path: Path) -> "Normalizer":
        """Read what `save` wrote. UserError if the file is missing or holds something else."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                return cls(mean_F=torch.from_numpy(stored["mean"]), std_F=torch.from_numpy(stored["std"]))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise UserError(f"{path}: not a motion normaliser ({error}); it is saved with a checkpoint") from error
