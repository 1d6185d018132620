"""The only source of chance: a hash of what is asked, so any language can re-derive a choice."""

from __future__ import annotations

from hashlib import blake2b

AGENT = "agent"


def uniform(seed: int, partition: str, key: str, purpose: str) -> float:
    """u in [0, 1): the top 53 bits of blake2b-64 over the four, joined by NUL, as a fraction.

    key: the request_id, or what names the unit of an experiment.

    >>> uniform(7, "default", "r-1", AGENT) == uniform(7, "default", "r-1", AGENT)
    True
    >>> 0.0 <= uniform(7, "default", "r-2", AGENT) < 1.0
    True
    """
    text = f"{seed}\0{partition}\0{key}\0{purpose}".encode()
    return float(int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> 11) * 2.0**-53
