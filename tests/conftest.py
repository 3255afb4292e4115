"""Fixtures that every package's tests share."""

from pathlib import Path

import cv2
import pytest
import torch

torch.set_num_threads(1)
cv2.setNumThreads(1)

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """A folder of real videos and motion beside the repository, where there is one."""
    if not _SHARED.is_dir():
        pytest.skip("no shared/data beside the repository")
    return _SHARED
