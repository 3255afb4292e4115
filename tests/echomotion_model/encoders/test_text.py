"""Text encoders: tokens that do not depend on what they were padded beside, from this machine alone."""

import os

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import T5Config, T5EncoderModel
from transformers.utils import logging

from echomotion_model.encoders.text import load_sentence_encoder, load_umt5_encoder
from humove.errors import UserError
from tests.echomotion_model.encoders.folders import small_umt5


@pytest.fixture(scope="module")
def sentences():
    return load_sentence_encoder()


def test_sentences_have_one_token_per_word_between_two_special_tokens(sentences):
    tokens, lengths = sentences.encode_text(["a man runs", "", "a woman jumps over the fence"])
    assert tokens.shape == (3, 8, 384) and tokens.dtype == torch.float32 and lengths.tolist() == [5, 2, 8]
    assert (tokens[0, 5:] == 0).all() and (tokens[1, 2:] == 0).all()


def test_padding_changes_nothing(sentences):
    beside, _ = sentences.encode_text(["a man runs", "a woman jumps over the fence by the house"])
    alone, lengths = sentences.encode_text(["a man runs"])
    torch.testing.assert_close(beside[0, : lengths[0]], alone[0], rtol=0, atol=1e-5)


def test_similar_sentences_are_near(sentences):
    """The mean of the tokens is what the model was trained to compare: its weights are really there."""
    texts = ["A man runs across a field.", "Someone is jogging on grass.", "The stock market fell on Tuesday."]
    tokens, lengths = sentences.encode_text(texts)
    means = torch.nn.functional.normalize(tokens.sum(1) / lengths[:, None], dim=1)
    alike = means @ means.T
    assert alike[0, 1] > 0.5 and alike[0, 2] < 0.2


def test_long_texts_are_cut_and_white_space_is_one_space(sentences):
    _, lengths = sentences.encode_text(["word " * 2000])
    assert lengths.tolist() == [512]
    torch.testing.assert_close(sentences.encode_text([" a\n man  "])[0], sentences.encode_text(["a man"])[0])


def test_no_environment_variable_is_set():
    before = dict(os.environ)
    load_sentence_encoder()
    assert dict(os.environ) == before


def test_loading_prints_nothing(capfd):
    logging.enable_progress_bar()
    load_sentence_encoder()
    assert capfd.readouterr() == ("", "")


def test_umt5_is_the_models_own(tmp_path):
    model = small_umt5(tmp_path)
    encoder = load_umt5_encoder(tmp_path)
    tokens, lengths = encoder.encode_text(["a man runs", "", "a man &amp;amp; a woman jumps"])
    assert tokens.shape == (3, 7, 16) and lengths.tolist() == [4, 1, 7]
    with torch.no_grad():
        for row, ids in enumerate(([3, 4, 6, 1], [1], [3, 4, 7, 3, 5, 8, 1])):
            own = model(torch.tensor([ids])).last_hidden_state[0]
            torch.testing.assert_close(tokens[row, : len(ids)], own, rtol=0, atol=1e-5)
            assert (tokens[row, len(ids) :] == 0).all()


def test_umt5s_tokens_are_in_the_dtype_that_it_was_stored_in(tmp_path):
    small_umt5(tmp_path).to(torch.bfloat16).save_pretrained(tmp_path / "text_encoder")
    tokens, _ = load_umt5_encoder(tmp_path).encode_text(["a man runs", ""])
    assert tokens.dtype == torch.bfloat16 and (tokens[1, 1:] == 0).all()


def test_umt5_with_its_embedding_under_both_names_is_the_same(tmp_path):
    small_umt5(tmp_path)
    wanted, _ = load_umt5_encoder(tmp_path).encode_text(["a man runs"])
    path = tmp_path / "text_encoder" / "model.safetensors"
    weights = load_file(path)
    weights["encoder.embed_tokens.weight"] = weights["shared.weight"].clone()
    save_file(weights, path, metadata={"format": "pt"})
    assert torch.equal(load_umt5_encoder(tmp_path).encode_text(["a man runs"])[0], wanted)


def test_umt5s_hash_depends_on_weights_and_tokenizer_and_not_the_folder(tmp_path):
    small_umt5(tmp_path / "a"), small_umt5(tmp_path / "b")
    first = load_umt5_encoder(tmp_path / "a").hash
    assert load_umt5_encoder(tmp_path / "b").hash == first
    words = tmp_path / "b" / "tokenizer" / "tokenizer.json"
    words.write_text(words.read_text().replace("jumps", "leaps"))
    assert load_umt5_encoder(tmp_path / "b").hash != first


def test_missing_parts_give_a_one_line_error(tmp_path):
    with pytest.raises(UserError, match="no folder .*text_encoder.*nothing is downloaded"):
        load_umt5_encoder(tmp_path / "google" / "umt5-xxl")
    small_umt5(tmp_path / "whole")
    (tmp_path / "whole" / "tokenizer" / "tokenizer_config.json").unlink()
    with pytest.raises(UserError, match="tokenizer_config.json"):
        load_umt5_encoder(tmp_path / "whole")
    T5EncoderModel(T5Config(vocab_size=9, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)).save_pretrained(
        tmp_path / "t5" / "text_encoder"
    )
    with pytest.raises(UserError, match="of type t5, not umt5"):
        load_umt5_encoder(tmp_path / "t5")


@pytest.mark.parametrize("how", ["missing", "more", "shape", "gone", "cut"])
def test_weights_that_do_not_fit_give_a_one_line_error(tmp_path, how):
    small_umt5(tmp_path)
    path = tmp_path / "text_encoder" / "model.safetensors"
    weights, whole = load_file(path), path.read_bytes()
    match how:
        case "missing":
            del weights["shared.weight"]
        case "more":
            weights["junk"] = torch.zeros(1)
        case "shape":
            weights["shared.weight"] = torch.zeros(9, 8)
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(whole[:100])
    else:
        save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(UserError, match="encoders.umt5") as caught:
        load_umt5_encoder(tmp_path)
    assert "\n" not in str(caught.value)
