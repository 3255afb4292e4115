"""A CLIP on a device: prepared pictures in, their embeddings out; and the embeddings of the 38 sentences."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from annotators.categories.config import ClipZeroShotConfig
from annotators.categories.taxonomy import taxonomy
from annotators.network import Columns, as_tensor
from annotators.pretrained import read_pretrained

if TYPE_CHECKING:
    import torch

SETTING = "category.clip.weights"


class ClipNetwork:
    """(B, 3, S, S) float32 pixels -> (B, D) float32 embeddings at unit length."""

    def __init__(self, settings: ClipZeroShotConfig) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size

    def load(self, device: str) -> None:
        """Reads the model and embeds the 38 sentences; UserError where the folder holds no CLIP."""
        import torch
        from transformers import CLIPModel, CLIPProcessor

        folder = self.settings.weights.folder(SETTING)
        dtype = torch.float16 if self.settings.half and device.startswith("cuda") else torch.float32
        self._model, processor = read_pretrained(
            CLIPModel, CLIPProcessor, folder, setting=SETTING, kind="CLIP", dtype=dtype
        )
        self._model.to(device).eval()
        sentences = [self.settings.template.replace("{}", c.phrase) for c in taxonomy().values()]
        tokens = processor.tokenizer(sentences, padding=True, truncation=True, return_tensors="pt").to(device)
        with torch.inference_mode():
            out = self._model.text_model(**tokens).pooler_output
            self._sentences = unit(self._model.text_projection(out).float()).cpu().numpy()

    def constants(self) -> dict[str, np.ndarray]:
        """`sentences` (38, D), at unit length, in the taxonomy's order; `scale`: what CLIP multiplies likeness by."""
        scale = self._model.logit_scale.detach().exp().float().cpu().numpy()
        return {"sentences": self._sentences, "scale": scale}

    def run(self, inputs: Columns) -> Columns:
        import torch

        (pixels,) = inputs
        with torch.inference_mode():
            ready = as_tensor(pixels).to(self._model.device, dtype=self._model.dtype)
            out = self._model.vision_model(pixel_values=ready).pooler_output
            return (unit(self._model.visual_projection(out).float()).cpu().numpy(),)


def read_processor(folder: Path) -> Any:
    """The folder's own steps from pictures to pixels; `run`'s caller needs no more of the model."""
    from transformers import CLIPProcessor

    return CLIPProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False).image_processor


def unit(vectors: "torch.Tensor") -> "torch.Tensor":
    """The vectors at unit length."""
    return vectors / vectors.norm(dim=-1, keepdim=True)
