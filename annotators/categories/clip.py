"""Zero-shot classification of a clip's pictures by CLIP, among the paper's 38 classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotators.batches import in_batches
from annotators.categories.config import ClipZeroShotConfig
from annotators.categories.taxonomy import taxonomy
from annotators.pretrained import read_pretrained
from humove.stage import Resources

SETTING = "category.clip.weights"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Likelihoods:
    """How likely each fine class is; they sum to 1."""

    fine: tuple[str, ...]
    probabilities: np.ndarray
    """(38,) float32, in the order of `fine`."""

    @property
    def best(self) -> tuple[str, float]:
        place = int(self.probabilities.argmax())
        return self.fine[place], float(self.probabilities[place])


class ClipZeroShot:
    """Pictures -> Likelihoods: the mean of the frames' embeddings against each class's sentence (arXiv 2103.00020)."""

    name = "clip"
    version = "1"
    licence = "that of the user's CLIP (OpenAI's: MIT)"
    rights = "permissive"
    cpu_only = False
    resources = Resources(cpus=1.0)
    weights: tuple[str, ...] = ()
    Settings = ClipZeroShotConfig

    def __init__(self, settings: ClipZeroShotConfig) -> None:
        self.settings = settings

    def load(self, device: str) -> None:
        """Reads the model and embeds the 38 sentences; UserError where the folder holds no CLIP."""
        import torch
        from transformers import CLIPModel, CLIPProcessor

        folder = self.settings.weights.folder(SETTING)
        self._torch = torch
        dtype = torch.float16 if self.settings.half and device.startswith("cuda") else torch.float32
        self._model, self._processor = read_pretrained(
            CLIPModel, CLIPProcessor, folder, setting=SETTING, kind="CLIP", dtype=dtype
        )
        self._model.to(device).eval()
        classes = taxonomy()
        self.fine = tuple(classes)
        sentences = [self.settings.template.replace("{}", c.phrase) for c in classes.values()]
        tokens = self._processor.tokenizer(sentences, padding=True, truncation=True, return_tensors="pt").to(device)
        with torch.inference_mode():
            out = self._model.text_model(**tokens).pooler_output
            self._sentences = _unit(self._model.text_projection(out).float())

    def annotate(self, batch: Sequence[Sequence[np.ndarray]]) -> list[Likelihoods]:
        """For each clip the likelihoods, from its pictures, (h, w, 3) uint8 RGB each."""
        return [self._likelihoods(pictures) for pictures in batch]

    def _likelihoods(self, pictures: Sequence[np.ndarray]) -> Likelihoods:
        rows = in_batches(pictures, self._embed, self.settings.batch_size)
        with self._torch.inference_mode():
            mean = _unit(self._torch.stack(rows).mean(0))
            logits = self._model.logit_scale.exp().float() * self._sentences @ mean
            return Likelihoods(fine=self.fine, probabilities=logits.softmax(0).cpu().numpy())

    def _embed(self, pictures: Sequence[np.ndarray]) -> list:
        """A unit vector for each picture."""
        inputs = self._processor.image_processor(images=list(pictures), return_tensors="pt")
        pixels = inputs["pixel_values"].to(self._model.device, dtype=self._model.dtype)
        with self._torch.inference_mode():
            out = self._model.vision_model(pixel_values=pixels).pooler_output
            return list(_unit(self._model.visual_projection(out).float()))


def _unit(vectors):
    return vectors / vectors.norm(dim=-1, keepdim=True)
