"""The stage that makes one side shard: one sample in memory at a time, whole or not at all."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from echomotion_model.data.sample import load_sample
from echomotion_model.latents.arrays import encode_tensor
from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.documents import Entry, SideShard, json_name, null_text_name
from echomotion_model.latents.plan import ShardJob
from echomotion_model.latents.protocol import EncoderIds, EncoderLoader, TextEncoder, VideoEncoder, ids_of
from echomotion_model.latents.source import entries, open_source, shard_row
from humove.errors import UserError
from humove.stage import Resources
from humove.storage import Store
from shards.buckets import LeftOut
from shards.motion_only import MotionOnlyDataset
from shards.reader import Dataset
from shards.tars import TarWriter

_Members = Iterator[tuple[str, list[bytes], list[bytes]]]
"""Key, windows, texts of each sample."""


class EncodeShard:
    """ShardJob -> SideShard. Any executor runs it; jobs are independent of each other.

    Raises UserError where the data set is damaged, or a worker's encoders are not the ones that were planned with.
    """

    name = "latents"

    def __init__(self, load: EncoderLoader, *, device: str = "cpu", resources: Resources | None = None) -> None:
        self.resources = resources or Resources(cpus=1.0, gpus=0.0 if device == "cpu" else 1.0)
        self._load, self._device = load, device
        self._encoders: tuple[VideoEncoder, TextEncoder] | None = None
        self._ids: EncoderIds | None = None

    def setup(self) -> None:
        """Loads the encoders."""
        self._encoders = self._load(self._device)
        self._ids = ids_of(*self._encoders)

    def process(self, job: ShardJob, attempt: int = 0) -> SideShard:
        """Writes the job's side shard."""
        wanted, here = job.made_from.encoders, self._ids
        if here != wanted:
            raise UserError(
                f"{job.name}: this worker has {here.video.name} {here.video.hash[:12]} and {here.text.name} "
                f"{here.text.hash[:12]}, the plan was made with {wanted.video.name} {wanted.video.hash[:12]} and "
                f"{wanted.text.name} {wanted.text.hash[:12]}; give all machines the same weights"
            )
        source = open_source(job.dataset)
        if shard_row(source, job.name).sha256 != job.made_from.shard_sha256:
            raise UserError(f"{source.path}: {job.name} was replaced meanwhile; run `humove latents` again")
        settings, left_out = job.made_from.settings, Counter[str]()
        write_null_text(job.out, self._encoders[1], settings.dtype)
        document = json_name(job.name)
        job.out.delete([document])  # of an older side shard: it must never stand beside the new tar
        samples: dict[str, Entry] = {}
        with _writing(job.out, job.name) as path, TarWriter(path) as tar:
            for key, windows, texts in self._samples(source, job, settings, left_out):
                samples[key] = Entry(
                    windows=[(tar.add(f"{key}.w{i:02d}.npz", raw), len(raw)) for i, raw in enumerate(windows)],
                    texts=[(tar.add(f"{key}.t{i:02d}.npz", raw), len(raw)) for i, raw in enumerate(texts)],
                )
        done = SideShard(
            identity=job.made_from.identity,
            made_from=job.made_from,
            bytes=tar.written.bytes,
            sha256=tar.written.sha256,
            left_out=dict(sorted(left_out.items())),
            samples=samples,
        )
        job.out.write(document, f"{done.model_dump_json()}\n".encode())
        return done

    def _samples(
        self, source: Dataset | MotionOnlyDataset, job: ShardJob, settings: LatentsSettings, left_out: Counter
    ) -> _Members:
        if isinstance(source, MotionOnlyDataset):
            for sample in source.shard_samples(job.name):
                yield sample.key, [], [self._text(caption, settings) for caption in sample.meta.captions]
            return
        config = settings.loader(shard_row(source, job.name).split)
        for entry in entries(source, job.name, settings.buckets):
            if isinstance(entry, LeftOut):
                left_out[str(entry)] += 1
                continue
            windows, caption = [], ""
            for window in range(settings.windows):
                sample = load_sample(source, entry, config, window)
                windows.append(self._window(sample.video, sample.instants, settings))
                caption = sample.caption
            yield entry.key, windows, [self._text(caption, settings)]

    @torch.no_grad()
    def _window(self, video_THW3: np.ndarray, instants_T: np.ndarray, settings: LatentsSettings) -> bytes:
        latents_BCFhw = self._encoders[0].encode_video(torch.from_numpy(video_THW3)[None])
        frames = (len(video_THW3) - 1) // 4 + 1
        if latents_BCFhw.ndim != 5 or latents_BCFhw.shape[0] != 1 or latents_BCFhw.shape[2] != frames:
            raise ValueError(f"latents {tuple(latents_BCFhw.shape)} of 1 video, wanted (1, C, {frames}, h, w)")
        return encode_tensor(latents_BCFhw[0], settings.dtype, instants=instants_T.astype("<f8"))

    def _text(self, caption: str, settings: LatentsSettings) -> bytes:
        return _text_bytes(self._encoders[1], caption, settings.dtype)


@torch.no_grad()
def _text_bytes(encoder: TextEncoder, caption: str, dtype: str) -> bytes:
    """One at a time: a text's numbers must not depend on what it was padded beside."""
    tokens_BLD, lengths_B = encoder.encode_text([caption])
    return encode_tensor(tokens_BLD[0, : int(lengths_B[0])], dtype)


def write_null_text(out: Store, encoder: TextEncoder, dtype: str) -> None:
    """Writes the embedding of "" once; workers that do it at the same time write the same bytes."""
    name = null_text_name(encoder.hash, dtype)
    if not out.exists(name):
        out.write(name, _text_bytes(encoder, "", dtype))


@contextmanager
def _writing(store: Store, name: str) -> Iterator[Path]:
    """Where a tar is to be written on this machine; after the block it lies in the store.

    In a folder it is written in place, since temporary files may have too little room for it.
    """
    if store.is_local:
        yield store.path(name)
        return
    with tempfile.TemporaryDirectory(prefix="latents-") as folder:
        path = Path(folder) / name
        yield path
        store.write_file(name, path)
