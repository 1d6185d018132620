"""The one ordered log: where order and durability come from.

base holds the protocol and what can go wrong, codec the bytes and the hash chain.

Where it lies: memory, or one SQLite file, which connections open, tables read, commits write to and
sqlite makes durable; opening, disk, wal and migrations say what must hold before, salvage and
repair what can be saved after.
Beside it: snapshot, the state at a position, from which a start goes on; check and seals hold to
the chain what is not folded any more, reach what is missing at the end, retention says what may go.
"""
