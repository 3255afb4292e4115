"""A CLIP on a device: pixels in, embeddings out; and the embeddings of the 38 sentences."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from annotators.categories.config import ClipZeroShotConfig
from annotators.categories.taxonomy import load_taxonomy
from annotators.network import Columns, to_tensor
from annotators.weights.pretrained import read_pretrained

if TYPE_CHECKING:
    import torch

SETTING = "category.clip.weights"


class ClipNetwork:
    """(B, 3, S, S) float32 pixels -> (B, D) float32 embeddings at unit length."""

    def __init__(self, settings: ClipZeroShotConfig) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size

    def load(self, device: str) -> None:
        """Load the model and embed the 38 sentences; UserError if the folder has no CLIP."""
        import torch
        from transformers import CLIPModel, CLIPProcessor

        folder = self.settings.weights.resolve_folder(SETTING)
        dtype = torch.float16 if self.settings.half and device.startswith("cuda") else torch.float32
        self._model, processor = read_pretrained(
            CLIPModel, CLIPProcessor, folder, setting=SETTING, kind="CLIP", dtype=dtype
        )
        self._model.to(device).eval()
        sentences = [self.settings.template.replace("{}", c.phrase) for c in load_taxonomy().values()]
        tokens = processor.tokenizer(sentences, padding=True, truncation=True, return_tensors="pt").to(device)
        with torch.inference_mode():
            out = self._model.text_model(**tokens).pooler_output
            self._sentences = normalize(self._model.text_projection(out).float()).cpu().numpy()

    def constants(self) -> dict[str, np.ndarray]:
        """Return `sentences` (38, D), at unit length, in the taxonomy's order, and `scale`, CLIP's logit scale."""
        scale = self._model.logit_scale.detach().exp().float().cpu().numpy()
        return {"sentences": self._sentences, "scale": scale}

    def run(self, inputs: Columns) -> Columns:
        import torch

        (pixels,) = inputs
        with torch.inference_mode():
            ready = to_tensor(pixels).to(self._model.device, dtype=self._model.dtype)
            out = self._model.vision_model(pixel_values=ready).pooler_output
            return (normalize(self._model.visual_projection(out).float()).cpu().numpy(),)


def read_processor(folder: Path) -> Any:
    """Read the image processor of a CLIP's folder, which converts frames to pixels."""
    from transformers import CLIPProcessor

    return CLIPProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False).image_processor


def normalize(vectors: "torch.Tensor") -> "torch.Tensor":
    """Scale vectors to unit length."""
    return vectors / vectors.norm(dim=-1, keepdim=True)
