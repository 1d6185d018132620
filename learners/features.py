"""Encoders of single features into columns of x. All seeded, all free of hash order.

Source: Weinberger et al. (2009) for signed feature hashing; Achlioptas (2003) for projections by
random signs.
"""

from __future__ import annotations

import itertools
import math
import re
import zlib
from hashlib import blake2b

import numpy as np

from learners.base import Array

WORD = re.compile(r"\w+")
CLIP = 5.0


def number(value: float, centre: float, scale: float) -> float:
    """(value - centre) / scale, clipped to [-5, 5] so that one outlier moves no posterior far."""
    scaled = (value - centre) / scale
    if -CLIP < scaled < CLIP:
        return scaled
    return CLIP if scaled > 0.0 else -CLIP


def hashed_text(text: str, size: int, seed: int) -> Array:
    """Signed hashing of word 1- and 2-grams into `size` columns of unit norm; zeros for no words.

    >>> float((hashed_text("fix the login bug", 8, 1) ** 2).sum().round(12))
    1.0
    """
    x = np.zeros(size)
    words = WORD.findall(text.lower())
    salt = seed & 0xFFFFFFFF
    for gram in words + [f"{a} {b}" for a, b in itertools.pairwise(words)]:
        code = zlib.crc32(gram.encode(), salt)
        x[(code >> 1) % size] += 1.0 if code & 1 else -1.0
    norm = float(np.sqrt((x * x).sum()))
    return x / norm if norm > 0 else x


def projection(dimension: int, size: int, seed: int) -> Array:
    """A (size, dimension) matrix of random signs over sqrt(size): it keeps norms on average."""
    need = size * dimension
    blocks = (
        blake2b(b"%d:%d" % (seed, block), person=b"projection").digest()
        for block in range(-(-need // 512))
    )
    bits = np.unpackbits(np.frombuffer(b"".join(blocks), dtype=np.uint8))[:need]
    signs = bits.reshape(size, dimension).astype(np.float64) * 2.0 - 1.0
    return signs / math.sqrt(size)


def projected(embedding: Array, matrix: Array) -> Array:
    """The embedding, scaled to unit norm, brought down by `matrix`; zeros stay zeros."""
    norm = float(np.sqrt((embedding * embedding).sum()))
    return (matrix * embedding).sum(axis=1) / norm if norm > 0 else np.zeros(len(matrix))
