"""Vision-language models of the real format with a few thousand weights, set for known answers."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

TEMPLATE = (
    "{% for m in messages %}USER: {% for c in m.content %}{% if c.type == 'image' %}<image> {% else %}{{ c.text }}"
    "{% endif %}{% endfor %} {% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
BEGIN = '{"appearance": "a person in'
END = 'clothes", "background": "a wall", "action": "stands", "full": "A person stands before a wall."}'
SPECIAL = ("<unk>", "<pad>", "</s>", "<image>", "ASSISTANT:")
GAIN = 20.0


def tiny_llava(folder: Path, after: dict[str, tuple[str, ...]] | None = None) -> Path:
    """Save a LLaVA that answers BEGIN, "red" or "blue" by the frames, END, and stops.

    Its attention takes the mean over all positions of one channel, which pictures alone fill: red minus blue. Its
    output layer maps each word to the one `after` it; of two words the channel decides, red where it is positive.
    """
    after = after or {"ASSISTANT:": (BEGIN,), BEGIN: ("red", "blue"), "red": (END,), "blue": (END,), END: ("</s>",)}
    words = [*SPECIAL, *dict.fromkeys(word for pair in after.items() for word in (pair[0], *pair[1]))]
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(words))}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=8, intermediate_size=8, projection_dim=8, num_hidden_layers=1, num_attention_heads=1,
            image_size=16, patch_size=8,
        ).to_dict(),
        text_config=LlamaConfig(
            vocab_size=len(vocabulary), hidden_size=32, intermediate_size=8, num_hidden_layers=1,
            num_attention_heads=1, num_key_value_heads=1, tie_word_embeddings=False, eos_token_id=vocabulary["</s>"],
            pad_token_id=vocabulary["<pad>"], bos_token_id=None,
        ).to_dict(),
        image_token_index=vocabulary["<image>"], image_token_id=vocabulary["<image>"], image_seq_length=4,
    )  # fmt: skip
    model = LlavaForConditionalGeneration(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
        vision, text, projector = _find_parts(model)
        channel = 31
        vision.embeddings.patch_embedding.weight[0, 0] = 1 / 64
        vision.embeddings.patch_embedding.weight[0, 2] = -1 / 64
        projector.linear_1.weight[0, 0], projector.linear_1.weight[1, 0] = 1.0, -1.0
        projector.linear_2.weight[channel, 0], projector.linear_2.weight[channel, 1] = 1.0, -1.0
        attention = text.layers[0].self_attn
        attention.v_proj.weight[channel, channel] = attention.o_proj.weight[channel, channel] = 1.0
        for word, i in vocabulary.items():
            text.embed_tokens.weight[i, i] = 1.0
            following = after.get(word, ())
            for next_word in following:
                model.lm_head.weight[vocabulary[next_word], i] = GAIN
            if len(following) == 2:
                for next_word, sign in zip(following, (1.0, -1.0), strict=True):
                    model.lm_head.weight[vocabulary[next_word], channel] = sign
    model.generation_config.eos_token_id = vocabulary["</s>"]
    model.generation_config.pad_token_id = vocabulary["<pad>"]
    model.save_pretrained(folder)
    _make_processor(vocabulary).save_pretrained(folder)
    return folder


def _find_parts(model: LlavaForConditionalGeneration):
    inner = model.model
    tower = inner.vision_tower
    return getattr(tower, "vision_model", tower), inner.language_model, inner.multi_modal_projector


def _make_processor(vocabulary: dict[str, int]) -> LlavaProcessor:
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, unk_token="<unk>", pad_token="<pad>", eos_token="</s>",
        additional_special_tokens=["<image>"],
    )  # fmt: skip
    half = [0.5, 0.5, 0.5]
    pictures = CLIPImageProcessor(
        size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}, image_mean=half, image_std=half
    )
    return LlavaProcessor(
        image_processor=pictures, tokenizer=tokenizer, patch_size=8, vision_feature_select_strategy="default",
        chat_template=TEMPLATE, image_token="<image>", num_additional_image_tokens=1,
    )  # fmt: skip


QWEN_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for c in m.content %}{% if c.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tiny_qwen(folder: Path) -> Path:
    """Save a Qwen2.5-VL with random weights: its answers are random words, the same for the same frames."""
    from tokenizers import decoders
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2_5_VLProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
    )

    special = [
        "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
        "<|video_pad|>",
    ]  # fmt: skip
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: i for i, word in enumerate([*special, *letters])}
    plain = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    plain.pre_tokenizer, plain.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, eos_token="<|im_end|>", pad_token="<|endoftext|>", additional_special_tokens=special,
        image_token="<|image_pad|>", video_token="<|video_pad|>", vision_start_token="<|vision_start|>",
        vision_end_token="<|vision_end|>",
    )  # fmt: skip
    torch.manual_seed(0)
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(vocabulary), "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 2, "initializer_range": 0.3,
            "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4},
        },
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32,
            "patch_size": 8, "spatial_merge_size": 2, "temporal_patch_size": 2, "fullatt_block_indexes": [1],
            "window_size": 32, "initializer_range": 0.3,
        },
        image_token_id=vocabulary["<|image_pad|>"], video_token_id=vocabulary["<|video_pad|>"],
        vision_start_token_id=vocabulary["<|vision_start|>"], vision_end_token_id=vocabulary["<|vision_end|>"],
    )  # fmt: skip
    model = Qwen2_5_VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = vocabulary["<|im_end|>"]
    model.save_pretrained(folder)
    small = {"patch_size": 8, "merge_size": 2, "temporal_patch_size": 2, "min_pixels": 256, "max_pixels": 16384}
    Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(**small), video_processor=Qwen2VLVideoProcessor(**small),
        tokenizer=tokenizer, chat_template=QWEN_TEMPLATE,
    ).save_pretrained(folder)  # fmt: skip
    return folder
