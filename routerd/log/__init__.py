"""The one ordered log: where order and durability come from.

base holds the protocol and what can go wrong, codec the bytes and the hash chain.

Where it lies: memory, or one SQLite file, which tables read, writable appends to, connections open
and sqlite makes durable; opening, disk, wal and migrations say what must hold before, salvage and
repair what can be saved after.
Back to a state: fold, from a snapshot on; check and seals hold to the chain what is not folded,
reach what is missing at the end, retention says what may go, verify derives all of it again.
The engine on it: writer, and the sequencer of decisions and outcomes; batch, registry, rules,
trials and warm_start are more calls on that, and texts what it keeps of texts.
For an event loop: committer, and crowd.
"""
