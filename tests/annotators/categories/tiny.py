"""A CLIP of the real format with a few thousand weights, set so that colours match words."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPTextConfig,
    CLIPVisionConfig,
    PreTrainedTokenizerFast,
)

WIDTH = 8


def tiny_clip(folder: Path, positive: str, negative: str) -> Path:
    """Save a CLIP that matches red images to the word `positive` and blue ones to `negative`, and no other words.

    Both towers have no attention and no perceptron: a picture's embedding is the mean of red minus blue in its patch,
    a text's that of its last word but the end mark, which here is the word itself.
    """
    words = {"<unk>": 0, "<pad>": 1, "<s>": 2, positive: 3, negative: 4, "</s>": 5}
    text = CLIPTextConfig(
        vocab_size=len(words), hidden_size=WIDTH, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        max_position_embeddings=32, projection_dim=2, eos_token_id=5, bos_token_id=2, pad_token_id=1,
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=16, patch_size=16,
        projection_dim=2,
    )  # fmt: skip
    model = CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=2))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
        model.logit_scale.fill_(torch.tensor(20.0).log())
        seen, read = model.vision_model, model.text_model
        # The first token of each tower gathers from the others by attention, alike from all of them.
        for tower in (seen, read):
            attention = tower.encoder.layers[0].self_attn
            attention.v_proj.weight.copy_(torch.eye(WIDTH))
            attention.out_proj.weight.copy_(torch.eye(WIDTH))
        for channel, sign in ((0, 1.0), (1, -1.0)):  # in pairs, so that the layer norms take no mean away
            seen.embeddings.patch_embedding.weight[channel, 0] = sign / 256
            seen.embeddings.patch_embedding.weight[channel, 2] = -sign / 256
            read.embeddings.token_embedding.weight[3, channel] = 8 * sign
            read.embeddings.token_embedding.weight[4, channel] = -8 * sign
            seen.embeddings.class_embedding[7 - channel] = sign
            read.embeddings.token_embedding.weight[:, 7 - channel] = sign
        for projection in (model.visual_projection, model.text_projection):
            projection.weight[0, 0] = 1.0
            projection.weight[1, 7] = 0.1
    model.save_pretrained(folder)
    plain = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    plain.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 5)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>",
        model_max_length=32,
    )  # fmt: skip
    half = [0.5, 0.5, 0.5]
    pictures = CLIPImageProcessor(
        size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}, image_mean=half, image_std=half
    )
    CLIPProcessor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(folder)
    return folder
