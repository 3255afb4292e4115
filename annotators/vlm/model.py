"""A vision-language model of transformers, read from a folder: frames and a prompt in, text out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from annotators.weights.pretrained import read_pretrained
from humove.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """One clip's frames, (h, w, 3) uint8 RGB each, and the prompt."""

    frames: Sequence[np.ndarray]
    prompt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VlmAnswer:
    """An answer of the model; `complete` is False if it was cut off."""

    text: str
    complete: bool


class LocalVlm:
    """Any image-text-to-text model that transformers knows by its config.json (Qwen-VL, LLaVA, SmolVLM, ...).

    It fetches nothing, runs no code of the folder, and reads only safetensors.
    """

    def __init__(self, folder: Path, setting: str, *, device: str, half: bool) -> None:
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor

        dtype = torch.bfloat16 if half and device.startswith("cuda") else torch.float32
        self.model, self.processor = read_pretrained(
            AutoModelForImageTextToText,
            AutoProcessor,
            folder,
            setting=setting,
            kind="vision-language model",
            dtype=dtype,
        )
        if getattr(self.processor, "chat_template", None) is None or not hasattr(self.processor, "image_processor"):
            raise UserError(f"{setting}.path: {folder} has no chat template for images; name an instruct model")
        tokenizer = self.processor.tokenizer
        tokenizer.padding_side = "left"  # answers of a batch start at the same index
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.model.to(device).eval()
        self._torch = torch

    def answer(self, questions: Sequence[Question], max_tokens: int, seed: int = 0) -> list[VlmAnswer]:
        """Answer each question, greedily or, with `seed` above 0, by sampling with that seed."""
        torch = self._torch
        texts = [self._format_prompt(question) for question in questions]
        has_bos = all(text.startswith(self.processor.tokenizer.bos_token or "\0") for text in texts)
        inputs = self.processor(
            text=texts,
            images=[list(question.frames) for question in questions],
            padding=True,
            return_tensors="pt",
            add_special_tokens=not has_bos,  # most templates write the first token themselves
        ).to(self.model.device, dtype=self.model.dtype)
        sampling: dict[str, Any] = {"do_sample": True, "temperature": 0.7} if seed else {"do_sample": False}
        with torch.inference_mode(), torch.random.fork_rng(enabled=bool(seed)):
            if seed:
                torch.manual_seed(seed)
            out = self.model.generate(
                **inputs, max_new_tokens=max_tokens, pad_token_id=self.processor.tokenizer.pad_token_id, **sampling
            )
        new = out[:, inputs["input_ids"].shape[1] :]
        texts = self.processor.batch_decode(new, skip_special_tokens=True)
        return [VlmAnswer(text=text, complete=self._has_ended(row)) for text, row in zip(texts, new, strict=True)]

    def _format_prompt(self, question: Question) -> str:
        content: list[dict[str, Any]] = [{"type": "image"} for _ in question.frames]
        messages = [{"role": "user", "content": [*content, {"type": "text", "text": question.prompt}]}]
        return self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)

    def _has_ended(self, row: Any) -> bool:
        ends = self.model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        return any(int(token) in ends for token in row)
