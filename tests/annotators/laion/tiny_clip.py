"""A CLIP of a few hundred weights with a closed form for the embedding of a plain frame.

Each patch becomes its mean colour; the class token takes the mean of all patches over (attention with equal shares),
so that the embedding is a known function of the colour. Saved as transformers and as open_clip save a CLIP.
"""

import json
from pathlib import Path

import numpy as np
import torch

SIDE, PATCH, WIDTH = 32, 16, 8
TOKENS = 1 + (SIDE // PATCH) ** 2
MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
STD = np.array([0.26862954, 0.26130258, 0.27577711])
CLASS = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, -1.0])
"""The class token, and what lies beside the colours in every patch."""


def _make_colours() -> np.ndarray:
    """(WIDTH, 3): red, green, blue, and their negatives, so that the mean over channels is 0."""
    return np.concatenate([np.eye(3), -np.eye(3), np.zeros((2, 3))])


def compute_embedding(rgb: tuple[int, int, int]) -> np.ndarray:
    """Compute (WIDTH,) at unit length: the expected embedding of a frame of one colour."""
    patch = _make_colours() @ ((np.array(rgb) / 255 - MEAN) / STD) + CLASS
    tokens = np.stack([_normalize(CLASS)] + [_normalize(patch)] * (TOKENS - 1))
    seen = _normalize(tokens[0] + np.stack([_normalize(t) for t in tokens]).mean(0))
    return seen / np.linalg.norm(seen)


def _normalize(vector: np.ndarray) -> np.ndarray:
    return (vector - vector.mean()) / np.sqrt(vector.var() + 1e-5)


def _make_weights() -> dict[str, torch.Tensor]:
    """Return the weights of the image encoder by open_clip's names."""
    one, none = torch.eye(WIDTH), torch.zeros(WIDTH, WIDTH)
    place = np.concatenate([np.zeros((1, WIDTH)), np.repeat(CLASS[None], TOKENS - 1, 0)])
    conv = np.repeat(np.repeat(_make_colours()[:, :, None, None], PATCH, 2), PATCH, 3) / PATCH**2
    block = "visual.transformer.resblocks.0."
    return {
        "visual.class_embedding": torch.tensor(CLASS),
        "visual.positional_embedding": torch.tensor(place),
        "visual.conv1.weight": torch.tensor(conv),
        "visual.proj": one,
        f"{block}attn.in_proj_weight": torch.cat([none, none, one]),
        f"{block}attn.in_proj_bias": torch.zeros(3 * WIDTH),
        f"{block}attn.out_proj.weight": one,
        f"{block}attn.out_proj.bias": torch.zeros(WIDTH),
        f"{block}mlp.c_proj.weight": torch.zeros(WIDTH, 4 * WIDTH),
        f"{block}mlp.c_proj.bias": torch.zeros(WIDTH),
    }


def make_open_clip_settings() -> dict:
    return {
        "embed_dim": WIDTH,
        "vision_cfg": {
            "image_size": SIDE, "layers": 1, "width": WIDTH, "head_width": WIDTH, "patch_size": PATCH, "mlp_ratio": 4.0,
        },
        "text_cfg": {"context_length": 4, "vocab_size": 8, "width": WIDTH, "heads": 1, "layers": 1},
    }  # fmt: skip


def make_open_clip_state() -> dict[str, torch.Tensor]:
    import open_clip

    model = open_clip.CLIP(**make_open_clip_settings())
    state = model.state_dict()
    for name, value in _make_weights().items():
        assert state[name].shape == value.shape, name
        state[name] = value.float()
    return {name: value.clone().contiguous() for name, value in state.items()}


def save_open_clip(folder: Path) -> Path:
    """Save a CLIP in open_clip's format."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    settings = {"model_cfg": make_open_clip_settings(), "preprocess_cfg": {"mean": list(MEAN), "std": list(STD)}}
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    save_file(make_open_clip_state(), folder / "open_clip_model.safetensors")
    return folder


def save_transformers(folder: Path) -> Path:
    """Save a CLIP in transformers' format: both encoders and the preprocessing settings."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    small = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = CLIPConfig(
        text_config={**small, "vocab_size": 8, "max_position_embeddings": 4},
        vision_config={**small, "image_size": SIDE, "patch_size": PATCH, "projection_dim": WIDTH},
        projection_dim=WIDTH,
    )
    model = CLIPModel(config)
    known = _make_weights()
    layer = "vision_model.encoder.layers.0."
    block = "visual.transformer.resblocks.0."
    given = {
        "vision_model.embeddings.class_embedding": known["visual.class_embedding"],
        "vision_model.embeddings.position_embedding.weight": known["visual.positional_embedding"],
        "vision_model.embeddings.patch_embedding.weight": known["visual.conv1.weight"],
        "visual_projection.weight": known["visual.proj"].T,
        **{
            f"{layer}self_attn.{name}_proj.{part}": value
            for part in ("weight", "bias")
            for name, value in zip("qkv", known[f"{block}attn.in_proj_{part}"].chunk(3), strict=True)
        },
        f"{layer}self_attn.out_proj.weight": known[f"{block}attn.out_proj.weight"],
        f"{layer}self_attn.out_proj.bias": known[f"{block}attn.out_proj.bias"],
        f"{layer}mlp.fc2.weight": known[f"{block}mlp.c_proj.weight"],
        f"{layer}mlp.fc2.bias": known[f"{block}mlp.c_proj.bias"],
    }
    state = model.state_dict()
    for name, value in given.items():
        assert state[name].shape == value.shape, name
        state[name] = value.float().contiguous()
    model.load_state_dict(state)
    model.save_pretrained(folder)
    CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, image_mean=list(MEAN),
        image_std=list(STD),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def save_mlp_head(path: Path, weight: np.ndarray, bias: float, width: int = WIDTH) -> Path:
    """Save a head as improved-aesthetic-predictor's .pth: five layers; together they give weight @ x + bias."""
    sizes = [width, 12, 10, 9, 8, 1]
    state = {}
    for place, wide, out in zip((0, 2, 4, 6, 7), sizes, sizes[1:], strict=False):
        matrix = torch.zeros(out, wide)
        matrix[:width, :width] = torch.eye(width)[: min(out, width), : min(wide, width)] if out > 1 else 0
        state[f"layers.{place}.weight"], state[f"layers.{place}.bias"] = matrix, torch.zeros(out)
    state["layers.7.weight"] = torch.tensor(weight).float()[None]
    state["layers.7.bias"] = torch.tensor([bias]).float()
    torch.save(state, path)
    return path


def save_linear_head(path: Path, weight: np.ndarray, bias: float) -> Path:
    """Save a head as aesthetic-predictor's .pth: one layer."""
    torch.save({"weight": torch.tensor(weight).float()[None], "bias": torch.tensor([bias]).float()}, path)
    return path
