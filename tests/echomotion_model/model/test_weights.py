"""Wan's weights from files: both layouts, and every way in which they may not fit."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers
from safetensors.torch import load_file, save_file

from echomotion_model.model.config import ModelConfig
from echomotion_model.model.transformer import EchoMotionTransformer, is_motion_parameter
from echomotion_model.model.wan_names import build_original_config, get_original_name
from echomotion_model.model.weights import load_wan
from humove.errors import UserError
from tests.echomotion_model.model.small import SMALL, echo, wan

WEIGHTS = "diffusion_pytorch_model.safetensors"
# Of wan/modules/model.py in the official repository: WanModel, WanAttentionBlock, Head.
ORIGINAL_WHOLE = (
    "patch_embedding.weight", "patch_embedding.bias", "text_embedding.0.weight", "text_embedding.0.bias",
    "text_embedding.2.weight", "text_embedding.2.bias", "time_embedding.0.weight", "time_embedding.0.bias",
    "time_embedding.2.weight", "time_embedding.2.bias", "time_projection.1.weight", "time_projection.1.bias",
    "head.head.weight", "head.head.bias", "head.modulation",
)  # fmt: skip
ORIGINAL_BLOCK = (
    *(f"{layer}.{part}" for layer in ("self_attn", "cross_attn") for part in (
        "q.weight", "q.bias", "k.weight", "k.bias", "v.weight", "v.bias", "o.weight", "o.bias",
        "norm_q.weight", "norm_k.weight")),
    "norm3.weight", "norm3.bias", "ffn.0.weight", "ffn.0.bias", "ffn.2.weight", "ffn.2.bias", "modulation",
)  # fmt: skip


@pytest.fixture(scope="module")
def in_diffusers(tmp_path_factory) -> Path:
    """A folder as diffusers writes it."""
    folder = tmp_path_factory.mktemp("diffusers")
    wan().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def in_original(tmp_path_factory) -> Path:
    """The same weights as the official repository names them, in two files with an index."""
    folder = tmp_path_factory.mktemp("original")
    names = [*ORIGINAL_WHOLE, *(f"blocks.{layer}.{name}" for layer in range(SMALL.layers) for name in ORIGINAL_BLOCK)]
    # diffusers' own converter says which of its tensors each name means; the mapping under test has no part in it.
    markers = convert_wan_transformer_to_diffusers({name: torch.tensor(i) for i, name in enumerate(names)})
    state = wan().state_dict()
    tensors = {names[int(marker)]: state[name].clone() for name, marker in markers.items()}
    assert len(tensors) == len(state)
    halves = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, inside in halves.items():
        save_file({name: tensors[name] for name in inside}, folder / file)
    index = {"metadata": {}, "weight_map": {name: file for file, inside in halves.items() for name in inside}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    published = {"dim": 48, "ffn_dim": 64, "freq_dim": 32, "in_dim": 16, "model_type": "t2v", "num_heads": 2,
                 "num_layers": 2, "out_dim": 16, "text_len": 512, "eps": 1e-6}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(published))
    return folder


def copy_of(folder: Path, to: Path, change: Callable[[dict, dict], None] = lambda state, config: None) -> Path:
    """A one-file copy with something changed."""
    to.mkdir(exist_ok=True)
    state, config = load_file(folder / WEIGHTS), json.loads((folder / "config.json").read_text())
    change(state, config)
    save_file(state, to / WEIGHTS)
    (to / "config.json").write_text(json.dumps(config))
    return to


def refused(path: Path, config: ModelConfig = SMALL) -> str:
    """The one line; the model is left as it was."""
    model = echo(config)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(UserError) as caught:
        load_wan(model, path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_is_wan(model: EchoMotionTransformer) -> None:
    state, loaded = wan().state_dict(), model.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())
    for block in model.blocks:
        assert all(torch.equal(p, block.get_parameter(name)) for name, p in block.motion.named_parameters())


def test_diffusers_layout(in_diffusers: Path, tmp_path: Path) -> None:
    pipeline = tmp_path / "pipeline"
    pipeline.mkdir()
    (pipeline / "transformer").symlink_to(in_diffusers)
    for path in (in_diffusers, in_diffusers / WEIGHTS, pipeline):
        model = echo()
        load_wan(model, path)
        assert_is_wan(model)


def test_original_layout_gives_the_same_model(in_original: Path) -> None:
    model = echo()
    load_wan(model, in_original)
    assert_is_wan(model)


def test_the_swapped_norms() -> None:
    assert get_original_name("blocks.7.norm2.weight") == "blocks.7.norm3.weight"
    names = {get_original_name(name) for name in wan().state_dict()}
    assert names == {*ORIGINAL_WHOLE, *(f"blocks.{i}.{name}" for i in range(2) for name in ORIGINAL_BLOCK)}


def test_names_behind_a_prefix(in_diffusers: Path, tmp_path: Path) -> None:
    def prefix(state: dict, config: dict) -> None:
        for name in list(state):
            state[f"model.diffusion_model.{get_original_name(name)}"] = state.pop(name)
        config.clear()
        config.update(build_original_config(SMALL))

    model = echo()
    load_wan(model, copy_of(in_diffusers, tmp_path / "prefixed", prefix))
    assert_is_wan(model)


def test_bfloat16_files_fill_float32_models(in_diffusers: Path, tmp_path: Path) -> None:
    def halve(state: dict, config: dict) -> None:
        state.update({name: tensor.bfloat16() for name, tensor in state.items()})

    model = echo()
    load_wan(model, copy_of(in_diffusers, tmp_path / "half", halve))
    weight = model.proj_out.weight
    assert weight.dtype == torch.float32 and torch.equal(weight, wan().proj_out.weight.bfloat16().float())


def test_a_wrong_number_of_heads_in_either_layout(in_diffusers: Path, in_original: Path) -> None:
    config = SMALL.model_copy(update={"heads": 4, "head_dim": 12})
    assert {n: p.shape for n, p in echo(config).named_parameters()} == {
        n: p.shape for n, p in echo().named_parameters()
    }
    assert "num_attention_heads is 2, the model's 4" in refused(in_diffusers, config)
    assert "num_heads is 2, the model's 4" in refused(in_original, config)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda state, config: state.pop("blocks.1.norm2.bias"), "1 missing (blocks.1.norm2.bias)"),
        (lambda state, config: state.update(extra=torch.zeros(1)), "1 unexpected (extra)"),
        (
            lambda state, config: state.update({"proj_out.bias": torch.zeros(63)}),
            "1 of another shape (proj_out.bias is (63,), expected (64,))",
        ),
        (
            lambda state, config: state.update({"proj_out.bias": torch.zeros(64, dtype=torch.int8)}),
            "1 not of a plain float type (proj_out.bias is I8)",
        ),
        (lambda state, config: state.clear(), "69 missing"),
        (lambda state, config: config.pop("num_attention_heads"), "num_attention_heads is missing"),
        (lambda state, config: config.update(qk_norm=None), "qk_norm is None, the model's rms_norm_across_heads"),
        (lambda state, config: config.update(text_dim=4096), "text_dim is 4096, the model's 20"),
    ],
)
def test_weights_that_do_not_fit_give_a_one_line_error(
    in_diffusers: Path, tmp_path: Path, change: Callable, says: str
) -> None:
    message = refused(copy_of(in_diffusers, tmp_path / "changed", change))
    assert says in message and str(tmp_path / "changed") in message


def test_another_presets_weights(in_diffusers: Path) -> None:
    assert "ffn_dim is 64, the model's 96" in refused(in_diffusers, SMALL.model_copy(update={"ffn_dim": 96}))
    assert "num_layers is 2, the model's 3" in refused(in_diffusers, SMALL.model_copy(update={"layers": 3}))


def test_files_that_are_missing_or_damaged(in_diffusers: Path, in_original: Path, tmp_path: Path) -> None:
    assert "no such file or folder" in refused(tmp_path / "nowhere")
    assert "0 .safetensors files" in refused(tmp_path)
    copied = copy_of(in_diffusers, tmp_path / "copied")
    whole = (copied / WEIGHTS).read_bytes()
    for damage in (whole[:-100], whole[:50], b"", b"\xff" * 500):
        (copied / WEIGHTS).write_bytes(damage)
        assert "damaged" in refused(copied)
    (copied / WEIGHTS).write_bytes(whole)
    (copied / "config.json").write_text("{")
    assert "cannot be read as JSON" in refused(copied)
    (copied / "config.json").unlink()
    assert "config.json is missing: weights do not show the number of heads" in refused(copied)
    part = tmp_path / "part"
    part.mkdir()
    for name in ("config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors"):
        (part / name).write_bytes((in_original / name).read_bytes())
    assert "model-00002-of-00002.safetensors is missing" in refused(part)
    (part / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../b.safetensors"}}))
    assert "outside its folder" in refused(part)


def test_a_model_on_the_meta_device_is_not_silently_left_empty(in_diffusers: Path) -> None:
    with torch.device("meta"):
        model = EchoMotionTransformer(SMALL)
    with pytest.raises(ValueError, match="to_empty"):
        load_wan(model, in_diffusers)
    model.to(torch.bfloat16).to_empty(device="cpu")
    load_wan(model, in_diffusers)
    assert torch.equal(model.blocks[0].motion.norm2.weight, wan().blocks[0].norm2.weight)
    assert is_motion_parameter("blocks.0.motion.norm2.weight") and not is_motion_parameter("blocks.0.norm2.weight")
