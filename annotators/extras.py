"""The extra of the package that each annotator needs; checked before a build starts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """An extra of pyproject.toml, and the modules that show it is installed."""

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
"""By the annotator's entry point; others need no extra."""
