"""Which extra of the package an annotator needs: what is looked for before a build starts, and named when missing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """An extra of pyproject.toml, and the modules by which it is known to be installed."""

    extra: str
    modules: tuple[str, ...]


EXTRAS = {
    "tracks.ultralytics": Extra(extra="yolo", modules=("ultralytics", "lap", "torchvision")),
    "pose2d.mmpose": Extra(extra="mmpose", modules=("mmpose", "mmcv", "mmengine", "xtcocotools", "torchvision")),
    "pose2d.rtmlib": Extra(extra="rtmlib", modules=("rtmlib", "onnxruntime")),
    "motion.nlf": Extra(extra="nlf", modules=("torchvision",)),
    "motion.results": Extra(extra="smpl", modules=("smplx", "smplfitter")),
    "caption.vlm": Extra(extra="vlm", modules=("transformers", "torchvision", "PIL")),
    "category.clip": Extra(extra="vlm", modules=("transformers", "torchvision", "PIL")),
    "aesthetic.laion": Extra(extra="quality", modules=("transformers", "safetensors")),
}
"""By the annotator's entry point; what is not here needs no extra."""
