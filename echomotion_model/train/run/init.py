"""The model's initial weights."""

from pathlib import Path

import torch

from echomotion_model.model.transformer import EchoMotionTransformer
from echomotion_model.model.weights import load_wan
from echomotion_model.train.config import TrainConfig
from echomotion_model.train.lora import add_lora
from humove.errors import UserError

NO_WEIGHTS = "none"


def init_model(config: TrainConfig, *, resumed: bool = False) -> EchoMotionTransformer:
    """Initialize the model, deterministically, with Wan's weights and adapters if they are set.

    With `resumed`, Wan's weights are not read, as a checkpoint follows. UserError if they do not match the model.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.data.seed)
        model = EchoMotionTransformer(config.model)
    if not resumed and (weights := find_wan_weights(config)):
        load_wan(model, weights)
    return add_lora(model, config.lora, config.data.seed) if config.lora.rank else model


def find_wan_weights(config: TrainConfig) -> Path | None:
    """Get the path of the initial weights; None: random weights. UserError if a Wan preset sets neither."""
    weights = config.encoders.weights
    if weights and weights != NO_WEIGHTS:
        return Path(weights)
    if not weights and config.encoders.video == "vae":  # a fine-tuning rate is too low for random weights
        raise UserError(
            "encoders.weights is empty: set it to Wan's weights, a .safetensors file or a folder with config.json; "
            f"encoders.weights={NO_WEIGHTS} starts from random weights"
        )
    return None
