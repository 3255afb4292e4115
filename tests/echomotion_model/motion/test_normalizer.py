"""The normaliser: exact figures, a round trip, and a file that says when it is none."""

from pathlib import Path

import numpy as np
import pytest
import torch

from echomotion_model.motion.layout import FEATURES
from echomotion_model.motion.normalizer import Normalizer
from humove.errors import UserError


def clips() -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    scale = torch.linspace(0.5, 2, FEATURES)
    made = [torch.randn(n, FEATURES, generator=rng) * scale + 100 for n in (3, 17, 1)]
    for clip in made:
        clip[:, 7] = 5.0
    return made


def test_statistics_are_over_all_frames_together() -> None:
    fitted = Normalizer.fit(clips())
    rows = torch.cat(clips()).double().numpy()
    expected = np.maximum(rows.std(0), 0.01)
    assert np.allclose(fitted.mean_F, rows.mean(0), atol=1e-5)
    assert np.allclose(fitted.std_F, expected, atol=1e-5)
    assert fitted.std_F[7] == pytest.approx(0.01)  # a channel that stands still is not blown up


def test_a_batch_counts_as_its_frames() -> None:
    clip = clips()[1][:16]
    assert torch.allclose(Normalizer.fit([clip.reshape(2, 8, -1)]).std_F, Normalizer.fit([clip]).std_F)


def test_round_trip() -> None:
    fitted = Normalizer.fit(clips())
    normal = fitted.normalize(torch.cat(clips()))
    assert normal.mean(0).abs().max() < 1e-2
    assert torch.allclose(fitted.denormalize(normal), torch.cat(clips()), atol=1e-4)


def test_saved_and_read(tmp_path: Path) -> None:
    fitted = Normalizer.fit(clips())
    fitted.save(tmp_path / "normalizer.npz")
    read = Normalizer.load(tmp_path / "normalizer.npz")
    assert torch.equal(read.mean_F, fitted.mean_F) and torch.equal(read.std_F, fitted.std_F)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"text"])
def test_a_broken_file_gives_a_one_line_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "normalizer.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a motion normaliser") as caught:
        Normalizer.load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_other_sizes(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        Normalizer.load(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", mean=np.zeros(3, np.float32), std=np.ones(3, np.float32))
    with pytest.raises(UserError):
        Normalizer.load(tmp_path / "other.npz")
    with pytest.raises(ValueError):
        Normalizer.fit([])
