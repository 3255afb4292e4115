"""Made-up AMASS files; nothing of any collection is in them."""

from pathlib import Path

import numpy as np

from echomotion_model.importing.config import ImportSettings
from echomotion_model.importing.run import import_motion


def amass_arrays(frames: int = 240, fps: float = 120.0, seed: int = 0, **changed) -> dict:
    """A person in AMASS's world (z up) who faces -y, walks along it and swings arms and fingers."""
    t = np.arange(frames) / fps
    rng = np.random.default_rng(seed)
    poses = np.zeros((frames, 156))
    poses[:, 0] = np.pi / 2  # y up to z up
    poses[:, 1:66] = 0.3 * np.sin(t[:, None] * rng.uniform(1, 3, 65) + rng.uniform(0, 6, 65))
    poses[:, 66:] = 0.1 * np.cos(t)[:, None]
    trans = np.stack([0.1 * np.sin(t), -0.9 * t, 1.15 + 0.02 * np.sin(5 * t)], 1)
    arrays = {
        "poses": poses,
        "trans": trans,
        "betas": rng.normal(0, 1, 16),
        "gender": np.array("female"),
        "mocap_framerate": np.array(fps),
        "dmpls": np.zeros((frames, 8)),
    }
    return {name: value for name, value in (arrays | changed).items() if value is not None}


def write_amass(path: Path, **kwargs) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **amass_arrays(**kwargs))
    return path


def make_motion_set(folder: Path, people: int) -> Path:
    """A motion-only set of one walk of each person, all to train on."""
    for number in range(people):
        write_amass(folder / "amass" / f"subject{number}" / "walk_poses.npz", frames=260, seed=number)
    import_motion(folder / "amass", folder / "set", settings=ImportSettings(val=0, test=0))
    return folder / "set"
