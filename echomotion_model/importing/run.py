"""`humove import-motion`: a folder of motion to a motion-only data set that accounts for every input."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from echomotion_model.importing.amass import read_amass
from echomotion_model.importing.bodies import TrueBodies
from echomotion_model.importing.config import ImportSettings
from echomotion_model.importing.humanml3d import list_index_inputs
from echomotion_model.importing.inputs import ImportInput, detect_kind, list_file_inputs
from echomotion_model.importing.mocap import read_mocap
from echomotion_model.importing.motion import SourceMotion, split_pieces
from echomotion_model.importing.reasons import BadMotion, SkipReason
from echomotion_model.importing.sample import build_sample
from humove.errors import EXIT_NO_SAMPLES, UserError
from humove.ids import compute_video_id, format_clip_id
from shards.format import DATASET_FILE, SHARD_NAME, SHARDS_FOLDER
from shards.motion_only.schemas import MOTION_FILE, MotionOnlyDoc, MotionOnlySample
from shards.motion_only.writer import MotionOnlyWriter
from shards.schemas import Rights

_RIGHTS = {
    "amass": Rights(licence="AMASS: non-commercial research", source_url="https://amass.is.tue.mpg.de/license.html"),
    "humanml3d": Rights(
        licence="motion AMASS: non-commercial research; texts HumanML3D: MIT",
        source_url="https://github.com/EricGuo5513/HumanML3D",
    ),
    "bvh": Rights(),
}
_UNFINISHED = ".importing"
"""A file in OUT while an import runs: only the remains of an interrupted import may be overwritten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """The result of an import: inputs = kept + the sum of left_out; a kept input gives one sample or more."""

    out: Path
    kind: str
    inputs: int
    kept: int
    samples: int
    seconds: float
    left_out: dict[str, int]
    examples: dict[str, str]
    """The first input left out for each reason, with the detail; all are in outcomes.parquet."""

    def format_lines(self) -> list[str]:
        """Format the counts as text."""
        first = (
            f"{self.out}: {self.samples} samples, {self.seconds / 3600:.2f} h, from {self.kept} of {self.inputs} "
            f"{self.kind} inputs"
        )
        return [
            first,
            *(f"  {number} left out: {why}, e.g. {self.examples[why]}" for why, number in self.left_out.items()),
        ]


def import_motion(
    source: Path,
    out: Path,
    kind: str = "auto",
    *,
    settings: ImportSettings | None = None,
    amass: Path | None = None,
    body_models: Path | None = None,
    licence: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> ImportResult:
    """Import every motion under `source` into a new folder `out`.

    kind: auto, amass, humanml3d or bvh; amass: AMASS's folder, for HumanML3D; body_models: the user's SMPL+H files
    (bodies.TrueBodies), else the open body is used; licence: that of the files, if it is not the collection's own;
    progress(done, inputs) is called after each input.

    A bad input is recorded and never fatal. UserError if `source` holds nothing of the kind, if `out` is not empty,
    and, with exit code 3 and nothing committed, if no input gives a sample.
    """
    settings = settings or ImportSettings()
    kind = detect_kind(source) if kind == "auto" else kind
    if kind not in _RIGHTS:
        raise UserError(f"unknown kind of motion {kind!r}; choose auto, {', '.join(_RIGHTS)}")
    bodies = TrueBodies(body_models) if body_models else None
    inputs = (
        list_index_inputs(source, amass, settings) if kind == "humanml3d" else list_file_inputs(source, kind, settings)
    )
    if not inputs:
        raise UserError(f"{source} holds nothing to import as {kind}")
    rights = _RIGHTS[kind].model_copy(update={"licence": licence}) if licence else _RIGHTS[kind]
    _claim_folder(out)
    examples: dict[str, str] = {}
    with MotionOnlyWriter(out) as writer:
        reader = _InputReader(kind, bodies, settings, rights)
        for done, (item, result) in enumerate(_resolve_inputs(inputs, reader), start=1):
            if isinstance(result, BadMotion):
                writer.add_left_out(item.source, result.reason, result.detail)
                examples.setdefault(str(result.reason), f"{item.source} ({result.detail})")
            else:
                for sample in result:
                    writer.write(sample)
                writer.add_kept(item.source)
            if progress:
                progress(done, len(inputs))
        if not writer.num_samples:
            why = "; ".join(f"{reason}: {text}" for reason, text in sorted(examples.items()))
            raise UserError(f"{source}: none of {len(inputs)} inputs gives a sample ({why})", EXIT_NO_SAMPLES)
        doc = writer.commit(kind, settings.model_dump(mode="json"))
    (out / _UNFINISHED).unlink()
    return _make_result(out, doc, examples)


class _InputReader:
    """Reads inputs, with a cache of the last file, since many rows of an index are of one recording."""

    def __init__(self, kind: str, bodies: TrueBodies | None, settings: ImportSettings, rights: Rights) -> None:
        self._kind, self._bodies, self._settings, self._rights = kind, bodies, settings, rights
        self._last: tuple[Path, SourceMotion | BadMotion] | None = None

    def read_samples(self, item: ImportInput, file_id: str) -> list[MotionOnlySample]:
        """Read the samples of an input, in key order. BadMotion if it gives none."""
        motion = self._get_motion(item.path)
        samples: list[MotionOnlySample] = []
        for part in item.parts:
            start, end = part.get_span(len(motion), motion.fps)
            if end - start < max(2, self._settings.min_seconds * motion.fps):
                continue
            whole = motion.cut(start, end)
            for first, last in split_pieces(len(whole), motion.fps, self._settings.max_seconds):
                samples.append(
                    build_sample(
                        whole.cut(first, last),
                        key=format_clip_id(file_id, item.shot, len(samples)),
                        split=item.split,
                        kind=self._kind,
                        file=item.file,
                        name=item.name,
                        captions=part.captions,
                        rights=self._rights,
                        max_fps=self._settings.max_fps,
                    )
                )
        if not samples:
            seconds = [(end - start) / float(motion.fps) for start, end in self._get_spans(item, motion)]
            detail = f"{max(seconds, default=0):.2f} s, under {self._settings.min_seconds} s"
            raise BadMotion(SkipReason.TOO_SHORT, detail)
        return samples

    def _get_spans(self, item: ImportInput, motion: SourceMotion) -> list[tuple[int, int]]:
        return [part.get_span(len(motion), motion.fps) for part in item.parts]

    def _get_motion(self, path: Path) -> SourceMotion:
        if self._last is None or self._last[0] != path:
            self._last = (path, self._read_motion(path))
        read = self._last[1]
        if isinstance(read, BadMotion):
            raise read
        return read

    def _read_motion(self, path: Path) -> SourceMotion | BadMotion:
        try:
            return read_mocap(path) if self._kind == "bvh" else read_amass(path, self._bodies)
        except BadMotion as bad:
            return bad


def _resolve_inputs(
    inputs: list[ImportInput], reader: _InputReader
) -> Iterator[tuple[ImportInput, list[MotionOnlySample] | BadMotion]]:
    """Yield every input with its samples or its reason: known bad ones first, then the others in key order."""
    ids: dict[Path, str] = {}
    ready: list[tuple[str, int, ImportInput]] = []
    seen: dict[tuple[str, int], str] = {}
    for item in inputs:
        try:
            if item.bad:
                raise item.bad
            if item.path not in ids:
                ids[item.path] = _compute_file_id(item.path)
            place = (ids[item.path], item.shot)
            if place in seen:
                raise BadMotion(SkipReason.DUPLICATE, f"the same file as {seen[place]}")
        except BadMotion as bad:
            yield item, bad
            continue
        seen[place] = item.source
        ready.append((*place, item))
    for file_id, _, item in sorted(ready, key=lambda entry: format_clip_id(entry[0], entry[1], 0)):
        try:
            result: list[MotionOnlySample] | BadMotion = reader.read_samples(item, file_id)
        except BadMotion as bad:
            result = bad
        yield item, result


def _compute_file_id(path: Path) -> str:
    try:
        return compute_video_id(path)
    except OSError as error:
        raise BadMotion(SkipReason.UNREADABLE, str(error.strerror or error)) from error


def _claim_folder(out: Path) -> None:
    """Claim a new or empty folder, or one from an interrupted import."""
    unfinished = (out / _UNFINISHED).is_file()
    if (out / MOTION_FILE).exists() or (out / DATASET_FILE).exists():
        raise UserError(f"{out} holds a data set already; give a new OUT, or remove that one first")
    if out.exists() and not unfinished and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and holds something else; give a new OUT")
    out.mkdir(parents=True, exist_ok=True)
    (out / _UNFINISHED).touch()
    for path in (out / SHARDS_FOLDER).glob("*.tar"):
        if SHARD_NAME.fullmatch(path.name):
            path.unlink()


def _make_result(out: Path, doc: MotionOnlyDoc, examples: dict[str, str]) -> ImportResult:
    return ImportResult(
        out=out,
        kind=doc.kind,
        inputs=doc.inputs,
        kept=doc.kept,
        samples=sum(row.num_samples for row in doc.shards),
        seconds=doc.seconds,
        left_out=dict(Counter(doc.left_out).most_common()),
        examples=examples,
    )
