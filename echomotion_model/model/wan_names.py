"""The two naming schemes of Wan's weights and settings: diffusers', which this model uses, and the original.

The original block numbers its norms differently: its norm3 (before the cross-attention, the one with weights) is
diffusers' norm2, and its norm2 is diffusers' norm3.
"""

from echomotion_model.model.config import ModelConfig

_TOP_LEVEL = {
    "condition_embedder.time_embedder.linear_1": "time_embedding.0",
    "condition_embedder.time_embedder.linear_2": "time_embedding.2",
    "condition_embedder.text_embedder.linear_1": "text_embedding.0",
    "condition_embedder.text_embedder.linear_2": "text_embedding.2",
    "condition_embedder.time_proj": "time_projection.1",
    "patch_embedding": "patch_embedding",
    "proj_out": "head.head",
}
_IN_BLOCK = {
    "attn1": "self_attn",
    "attn2": "cross_attn",
    "norm2": "norm3",
    "ffn.net.0.proj": "ffn.0",
    "ffn.net.2": "ffn.2",
}
_IN_ATTENTION = {"to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "o", "norm_q": "norm_q", "norm_k": "norm_k"}


def get_original_name(name: str) -> str:
    """Return the original name of the parameter that diffusers calls `name`. KeyError if Wan has none."""
    if name == "scale_shift_table":
        return "head.modulation"
    if not name.startswith("blocks."):
        module, _, parameter = name.rpartition(".")
        return f"{_TOP_LEVEL[module]}.{parameter}"
    _, layer, inside = name.split(".", 2)
    if inside == "scale_shift_table":
        return f"blocks.{layer}.modulation"
    module, _, parameter = inside.rpartition(".")
    if module.startswith("attn"):
        attention, _, projection = module.partition(".")
        return f"blocks.{layer}.{_IN_BLOCK[attention]}.{_IN_ATTENTION[projection]}.{parameter}"
    return f"blocks.{layer}.{_IN_BLOCK[module]}.{parameter}"


def build_diffusers_config(config: ModelConfig) -> dict:
    """Return the config.json of diffusers' WanTransformer3DModel for the video branch."""
    return {
        "_class_name": "WanTransformer3DModel",
        "added_kv_proj_dim": None,
        "attention_head_dim": config.head_dim,
        "cross_attn_norm": True,
        "eps": config.eps,
        "ffn_dim": config.ffn_dim,
        "freq_dim": config.freq_dim,
        "image_dim": None,
        "in_channels": config.channels,
        "num_attention_heads": config.heads,
        "num_layers": config.layers,
        "out_channels": config.channels,
        "patch_size": list(config.patch),
        "pos_embed_seq_len": None,
        "qk_norm": "rms_norm_across_heads",
        "rope_max_seq_len": 1024,
        "text_dim": config.text_dim,
    }


def build_original_config(config: ModelConfig) -> dict:
    """Return the settings of the original repository's config.json for the same model."""
    return {
        "cross_attn_norm": True,
        "dim": config.dim,
        "eps": config.eps,
        "ffn_dim": config.ffn_dim,
        "freq_dim": config.freq_dim,
        "in_dim": config.channels,
        "num_heads": config.heads,
        "num_layers": config.layers,
        "out_dim": config.channels,
        "patch_size": list(config.patch),
        "qk_norm": True,
        "text_dim": config.text_dim,
    }
