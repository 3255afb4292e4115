"""The fixed video codec: an orthogonal projection with Wan's strides and frame layout."""

import math

import cv2
import numpy as np
import pytest
import torch

from echomotion_model.encoders.codec import CHANNELS, SCALES, DctCodec, analyse_video, synthesise_video
from tests.builds import render_film


def _smooth(frames=17, height=64, width=96, seed=0) -> torch.Tensor:
    """A moving picture (1, T, H, W, 3), uint8: a bright disc over a coloured slope."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    slope = np.stack([x / width, y / height, (x + y) / (height + width)], -1)
    colour = rng.uniform(0.3, 1, 3)
    pictures = []
    for frame in range(frames):
        distance = np.hypot(y - height / 2, x - width / 4 - 2 * frame)
        disc = 1 / (1 + np.exp(distance - height / 6))[..., None]
        pictures.append(slope * (1 - disc) + colour * disc)
    return torch.from_numpy(np.round(255 * np.stack(pictures)).astype(np.uint8))[None]


def _random_latents(frames=3, seed=0) -> torch.Tensor:
    """Those that pictures can have: the change in time of the first, which is one frame, is nothing."""
    latents = torch.randn(2, CHANNELS, frames, 4, 5, generator=torch.Generator().manual_seed(seed)).double()
    return analyse_video(synthesise_video(latents))


def _energy(latents_BCFhw: torch.Tensor) -> float:
    return float((latents_BCFhw * torch.tensor(SCALES, dtype=torch.float64)[None, :, None, None, None]).square().sum())


def _held(video: torch.Tensor) -> float:
    """Energy of pictures with the first held for 4 frames, as the codec sees it."""
    return float(video.square().sum() + 3 * video[:, 0].square().sum())


def test_has_wans_strides_and_frame_layout():
    codec = DctCodec()
    for k in (0, 1, 4):
        latents = codec.encode_video(_smooth(4 * k + 1))
        assert latents.shape == (1, 16, k + 1, 8, 12) and latents.dtype == torch.float32
        video = codec.decode_video(latents)
        assert video.shape == (1, 4 * k + 1, 64, 96, 3) and video.dtype == torch.uint8


@pytest.mark.parametrize("shape", [(1, 4, 64, 96, 3), (1, 5, 60, 96, 3), (1, 5, 64, 90, 3)])
def test_a_size_that_is_not_of_whole_latents_is_refused(shape):
    with pytest.raises(ValueError, match="4k\\+1"):
        DctCodec().encode_video(torch.zeros(shape, dtype=torch.uint8))


def test_latents_of_another_codec_are_refused():
    with pytest.raises(ValueError, match="48 channels"):
        DctCodec().decode_video(torch.zeros(1, 48, 2, 4, 4))


def test_latents_survive_decoding_and_encoding():
    latents = _random_latents()
    torch.testing.assert_close(analyse_video(synthesise_video(latents)), latents, rtol=0, atol=1e-12)


def test_energy_is_kept():
    """Parseval: what is spanned by the kept coefficients keeps all of its energy, anything else loses some."""
    latents = _random_latents()
    assert math.isclose(_energy(latents), _held(synthesise_video(latents)), rel_tol=1e-12)
    noise = torch.randn(1, 9, 32, 40, 3, generator=torch.Generator().manual_seed(3)).double()
    kept = _energy(analyse_video(noise))
    # White noise leaves 16 of 768 coefficients' share; the first frame's is that of 13 in 192, counted 4 times.
    assert 0.01 < kept / _held(noise) < 0.05
    error = noise - synthesise_video(analyse_video(noise))
    assert math.isclose(kept + _held(error), _held(noise), rel_tol=1e-12)


def test_latents_depend_on_their_own_frames_only():
    codec, video = DctCodec(), _smooth()
    latents = codec.encode_video(video)
    other = video.clone()
    other[:, 9:13] = 255 - other[:, 9:13]
    changed = (codec.encode_video(other) != latents).flatten(3).any(-1)[0].any(0)
    assert changed.tolist() == [False, False, False, True, False]
    torch.testing.assert_close(codec.encode_video(video[:, :9]), latents[:, :, :3])
    assert torch.equal(codec.decode_video(latents[:, :, :3]), codec.decode_video(latents)[:, :9])


def test_a_model_cannot_move_the_first_frame():
    """Latent 0 is one frame: what would change within 4 frames is not looked at there, and is elsewhere."""
    latents = DctCodec().encode_video(_smooth(5))
    for frame, alike in ((0, True), (1, False)):
        other = latents.clone()
        other[:, [8, 12, 14], frame] += 3
        assert torch.equal(DctCodec().decode_video(other), DctCodec().decode_video(latents)) == alike


def test_grey_is_zero_and_a_flat_picture_comes_back():
    codec = DctCodec()
    flat = torch.tensor([200, 90, 30], dtype=torch.uint8).expand(1, 5, 32, 32, 3)
    assert torch.equal(codec.decode_video(codec.encode_video(flat)), flat)
    assert torch.equal(codec.decode_video(torch.zeros(1, 16, 2, 4, 4)).unique(), torch.tensor([128], dtype=torch.uint8))


def test_smooth_motion_is_nearly_kept():
    codec, video = DctCodec(), _smooth()
    error = codec.decode_video(codec.encode_video(video)).float() - video.float()
    assert 10 * math.log10(255**2 / error.square().mean()) > 34


def test_the_rule_is_pinned():
    """Latents that are stored are made again when this changes: bump `version` in the codec's hash with its rule."""
    latents = DctCodec().encode_video(_smooth(5, 32, 32, seed=1))
    assert DctCodec.hash == "8eed00fc22804dc3"
    golden = [
        0.1246, 1.0871, 0.9143, -0.0857, -1.4536, 0.1599, -0.0553, -0.8769,
        -1.7657, 0.2709, 0.0549, -0.2130, 0.2935, 0.2110, -1.6330, -0.1076,
    ]  # fmt: skip
    torch.testing.assert_close(latents[0, :, 1, 1, 2], torch.tensor(golden), rtol=0, atol=1e-3)


def test_a_rendered_person_is_recognisable():
    """About what the codec's own text says of the demo's clips."""
    frames = render_film("squat", seed=2)
    pictures = [cv2.resize(frames.read_rgb(2 * i), (128, 96), interpolation=cv2.INTER_AREA) for i in range(17)]
    video = torch.from_numpy(np.stack(pictures))[None]
    codec = DctCodec()
    error = codec.decode_video(codec.encode_video(video)).float() - video.float()
    assert 10 * math.log10(255**2 / error.square().mean()) > 25
