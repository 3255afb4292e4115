"""SMPL files that the tests of this folder and of the fit share."""

from pathlib import Path

import numpy as np
import pytest

from tests.annotators.smpl.official import body_arrays, write_official


@pytest.fixture(scope="session")
def smpl_arrays() -> dict[str, np.ndarray]:
    return body_arrays()


@pytest.fixture(scope="session")
def smpl_pickle(smpl_arrays, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("smpl") / "basicModel_neutral_lbs_10_207_0_v1.0.0.pkl"
    write_official(path, smpl_arrays)
    return path


@pytest.fixture(scope="session")
def smpl_npz(smpl_arrays, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("smpl") / "SMPL_NEUTRAL.npz"
    np.savez_compressed(path, **smpl_arrays)
    return path


@pytest.fixture(autouse=True)
def _offline(no_network) -> None:
    """Nothing here may ask the network for anything."""
