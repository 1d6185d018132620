"""Whether a WAL is damaged, or only ends where a process died.

SQLite reads a WAL up to the first frame whose checksum is wrong, and takes that for the place where
a crash cut it short. But a process that is killed leaves its frames in order. So where sound frames
stand behind a broken one, and the machine has run on since, the file was changed, and what is
behind would vanish without a word. After a loss of power it may be the disk's own order: then
nothing can be told, and only what was never synced can be missing.
Source: https://www.sqlite.org/fileformat2.html, section 4.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerd.log.base import LogCorrupt

HEADER, FRAME_HEADER = 32, 24
FRAMES_AT_ONCE = 1_024
MAGIC = 0x377F0682
BIG_ENDIAN = 1

Words = NDArray[np.uint32]


def require_whole(path: Path, page_bytes: int) -> None:
    """LogCorrupt when the WAL of a log that nobody writes to was changed."""
    if path.exists() and is_broken(path, page_bytes):
        what = "its write-ahead log was changed, and what stands behind would vanish"
        raise LogCorrupt("", 1, what)


def is_broken(path: Path, page_bytes: int) -> bool:
    """Whether a frame that is sound stands behind one that is not."""
    step = FRAME_HEADER + page_bytes
    with path.open("rb") as file:
        header = file.read(HEADER)
        if len(header) < HEADER or int.from_bytes(header[:4], "big") & ~BIG_ENDIAN != MAGIC:
            following = file.read(2 * step)
            return len(following) == 2 * step and any(following[:FRAME_HEADER])
        order = ">u4" if header[3] & BIG_ENDIAN else "<u4"
        salts, before = header[16:24], header[24:32]
        made = checksum(np.frombuffer(header[:24], order)[None], np.zeros((1, 2)))
        broken = made.astype(">u4").tobytes() != before
        if broken:  # it may say anything
            salts = file.read(FRAME_HEADER)[8:16]
            file.seek(HEADER)
        while len(frames := file.read(FRAMES_AT_ONCE * step)) >= step:
            count = len(frames) // step
            raw = np.frombuffer(frames[: count * step], np.uint8).reshape(count, step)
            for sound in sound_frames(raw, salts, before, order).tolist():
                if broken and sound:
                    return True
                broken = broken or not sound
            before = raw[-1, 16:24].tobytes()
    return False


def sound_frames(raw: NDArray[np.uint8], salts: bytes, before: bytes, order: str) -> Any:
    """Whether each frame continues the checksum that the one before it claims to have."""
    claimed = words(raw[:, 16:24].tobytes()).reshape(-1, 2)
    previous = np.concatenate([words(before)[None], claimed[:-1]])
    summed = np.concatenate([raw[:, :8], raw[:, FRAME_HEADER:]], axis=1)
    made = checksum(np.frombuffer(summed.tobytes(), order).reshape(len(raw), -1), previous)
    of_this_wal = (raw[:, 8:16] == np.frombuffer(salts, np.uint8)).all(axis=1)
    return of_this_wal & (made == claimed).all(axis=1)


def words(raw: bytes) -> Words:
    return np.frombuffer(raw, ">u4").astype(np.uint32)


def checksum(content: Any, previous: Any) -> Words:
    """SQLite's checksums of rows of words, each going on from a pair, modulo 2 ** 32.

    A step takes two words: s0 += x0 + s1, s1 += x1 + s0. Steps are linear, so many are one product.
    """
    power, weights = coefficients(content.shape[1] // 2)
    sums: Words = content.astype(np.uint32) @ weights + previous.astype(np.uint32) @ power
    return sums


@cache
def coefficients(steps: int) -> tuple[Words, Words]:
    """What a pair becomes after so many steps, and what each word adds to that."""
    step = np.array([[1, 1], [1, 2]], np.uint32)  # (s0, s1) @ step is the next pair
    entry = np.array([[1, 1], [0, 1]], np.uint32)  # of x0 and of x1
    power = np.eye(2, dtype=np.uint32)
    weights = np.empty((2 * steps, 2), np.uint32)
    for index in reversed(range(steps)):
        weights[2 * index : 2 * index + 2] = entry @ power
        power = step @ power
    return power, weights
