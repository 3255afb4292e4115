"""Detection of truncated files from the length that their container states."""

from pathlib import Path

from humove.video.decode import open_stream

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def count_missing_bytes(path: Path) -> int:
    """Count the bytes that the file's header or index states beyond its end; 0 if it states no length.

    Uses the index of MP4 and MOV; the segment size of Matroska and WebM (absent in live recordings); the RIFF size of
    AVI. Transport streams state no length.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    end = _find_matroska_end(head) or _find_riff_end(head) or _find_index_end(path)
    return max(0, end - path.stat().st_size)


def _find_index_end(path: Path) -> int:
    container, stream = open_stream(path)
    with container:
        return max((entry.pos + entry.size for entry in stream.index_entries), default=0)


def _find_riff_end(head: bytes) -> int:
    return 8 + int.from_bytes(head[4:8], "little") if head[:4] == b"RIFF" and head[8:12] == b"AVI " else 0


def _read_ebml_number(data: bytes, offset: int) -> tuple[int | None, int]:
    """Read EBML's variable-size number at `offset` (None: unknown) and the offset after it; RFC 8794, section 4."""
    length = 9 - data[offset].bit_length()
    value = int.from_bytes(data[offset : offset + length], "big") & ((1 << 7 * length) - 1)
    return (None if value == (1 << 7 * length) - 1 else value), offset + length


def _find_matroska_end(head: bytes) -> int:
    if not head.startswith(_EBML):
        return 0
    size, offset = _read_ebml_number(head, 4)
    if size is None or offset + size + 12 > len(head) or head[offset + size : offset + size + 4] != _SEGMENT:
        return 0
    segment, begin = _read_ebml_number(head, offset + size + 4)
    return 0 if segment is None else begin + segment
