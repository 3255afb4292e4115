"""The model before its first step."""

from pathlib import Path

import torch

from echomotion_model.model.transformer import EchoMotionTransformer
from echomotion_model.model.weights import load_wan
from echomotion_model.train.config import TrainConfig
from echomotion_model.train.lora import add_lora
from humove.errors import UserError

NO_WEIGHTS = "none"


def start_model(config: TrainConfig, *, resumed: bool = False) -> EchoMotionTransformer:
    """The same for the same configuration: from Wan's weights where they are given, with adapters where they are set.
    With `resumed` its weights are to come from a checkpoint, and Wan's are not read. UserError where those don't fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.data.seed)
        model = EchoMotionTransformer(config.model)
    if not resumed and (weights := wan_weights(config)):
        load_wan(model, weights)
    return add_lora(model, config.lora, config.data.seed) if config.lora.rank else model


def wan_weights(config: TrainConfig) -> Path | None:
    """Where the weights to start from lie; None: from nothing. UserError where a Wan preset names neither."""
    weights = config.encoders.weights
    if weights and weights != NO_WEIGHTS:
        return Path(weights)
    if not weights and config.encoders.video == "vae":  # a rate for fine-tuning teaches an untrained model nothing
        raise UserError(
            "encoders.weights is empty: give Wan's weights, a .safetensors file or a folder with their config.json; "
            f"encoders.weights={NO_WEIGHTS} starts from nothing"
        )
    return None
