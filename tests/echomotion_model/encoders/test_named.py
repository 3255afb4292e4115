"""The encoders that a run's configuration names."""

import pickle

import pytest
import torch

from echomotion_model.model.config import ModelConfig
from echomotion_model.train.config import EncodersConfig, load_train_config
from echomotion_model.train.inputs.encoders import Encoders
from humove.errors import UserError
from tests.echomotion_model.encoders.folders import small_umt5, small_vae


def test_tiny_needs_no_download_and_fits_its_model():
    config = load_train_config("tiny", [])
    model: ModelConfig = config.model
    # As Ray hands it to a worker; nothing of a file is unpickled anywhere.
    video, text = pickle.loads(pickle.dumps(Encoders(config.encoders)))("cpu")
    latents = video.encode_video(torch.zeros(1, 9, 96, 128, 3, dtype=torch.uint8))
    assert latents.shape == (1, model.channels, 3, 12, 16)
    assert text.encode_text([""])[0].shape[2] == model.text_dim
    assert video.decode_video(latents).shape == (1, 9, 96, 128, 3)


def test_folders_are_taken_from_the_configuration(tmp_path):
    small_vae(tmp_path / "vae"), small_umt5(tmp_path)
    config = EncodersConfig(video="vae", vae=str(tmp_path / "vae"), text="umt5", umt5=str(tmp_path))
    video, text = Encoders(config)("cpu")
    assert (video.name, text.name) == ("wan-vae", "umt5")


@pytest.mark.parametrize("settings", [{"video": "vae"}, {"text": "umt5"}])
def test_a_missing_folder_setting_gives_a_one_line_error(settings):
    with pytest.raises(UserError, match="is empty: set it to the"):
        Encoders(EncodersConfig(**settings))("cpu")
