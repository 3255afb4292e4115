"""Made-up body models."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def body_models(tmp_path: Path) -> Path:
    """SMPL+H bodies of 60 vertices: joint j is vertex j, and beta 0 makes everything taller."""
    folder = tmp_path / "smplh"
    for gender, size in (("female", 0.9), ("male", 1.1)):
        rng = np.random.default_rng(5)
        template = rng.normal(0, 0.3, (60, 3)) * size
        directions = np.zeros((60, 3, 16))
        directions[:, 1, 0] = 0.01
        directions[:, 0, 12] = 100.0  # beyond SMPL's ten
        regressor = np.eye(52, 60)
        (folder / gender).mkdir(parents=True)
        np.savez(folder / gender / "model.npz", v_template=template, shapedirs=directions, J_regressor=regressor)
    return folder
