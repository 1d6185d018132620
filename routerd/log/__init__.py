"""The one ordered log: where order and durability come from.

base holds the protocol and what can go wrong, codec the bytes and the hash chain, memory a log for
tests and replays, sqlite the log of one process on one machine.
"""
