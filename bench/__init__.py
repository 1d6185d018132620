"""The proving ground: replays, off-policy estimates, and what routerd costs in time and memory.

    stats, engine    intervals; the serving engine without a log
    data/            recorded tasks: files, sets by name, worlds that are made up
    pages/           markup and pictures, and how numbers are written
    replay/          contestants on streams of recorded tasks, baselines and peers among them
    studies/         variants of the default, each `python -m bench.studies.NAME`; and cascades
    ope/             off-policy evaluation, of a log or a table
    speed/           `routerd bench load | idle | decide`, and `python -m bench.speed.NAME`
    prove/           what `routerd prove` runs, finds and tells
    report/          the page of `routerd bench report`

Packages import what stands above them, and the last five nothing of each other. results/ holds what
was measured, and by which commands.
"""
