"""What the commands of all studies have in common: options, streams by name, and a file of rows."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.data.datasets import load
from bench.data.recorded import DataError
from bench.data.synthetic import SYNTHETIC
from bench.studies.streams import Draw, Streams, drawn, whole, with_noise, with_words


def options(ask: argparse.ArgumentParser) -> None:
    """What the command line says of streams."""
    there = ", ".join(SYNTHETIC)
    ask.add_argument("files", nargs="+", metavar="FILE", help=f"recorded tasks, or {there}")
    ask.add_argument("--agents", type=lambda names: names.split(","), metavar="A,B")
    ask.add_argument("--draw", type=draw_of, metavar="AGENTS,TASKS")
    ask.add_argument("--words", type=int, default=0, help="so many columns of the tasks' words")
    ask.add_argument("--noise", type=int, default=0, help="so many columns of mere noise")
    ask.add_argument("--seeds", type=int, default=20)
    ask.add_argument("--cost-weight", type=float, default=0.0)
    ask.add_argument("--jobs", type=int, default=1)
    ask.add_argument("--out", type=Path, required=True)


def write(rows: Sequence[Mapping[str, Any]], out: Path) -> None:
    """What a study found, to the file of --out."""
    out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def asked_for(ask: argparse.ArgumentParser, asked: argparse.Namespace) -> list[Streams]:
    """The streams that a command line names; what is wrong ends the command with a sentence."""
    try:
        return [streams_of(file, asked) for file in asked.files]
    except DataError as error:
        ask.error(str(error))


def streams_of(file: str, asked: argparse.Namespace) -> Streams:
    """One of them; raises DataError."""
    if file in SYNTHETIC:
        if asked.draw or asked.agents or asked.words or asked.noise:
            raise DataError(f"{file} is another world for each seed: nothing is drawn or added")
        return Streams(file, SYNTHETIC[file])
    data = load(file, asked.agents)
    if asked.words:
        data = with_words(data, asked.words)
    if asked.noise:
        data = with_noise(data, asked.noise)
    return whole(data) if asked.draw is None else drawn(data, asked.draw)


def draw_of(text: str) -> Draw:
    """AGENTS,TASKS. Raises ArgumentTypeError."""
    match text.split(","):
        case [agents, tasks] if agents.isdecimal() and tasks.isdecimal():
            if int(agents) >= 2 and int(tasks) >= 1:
                return int(agents), int(tasks)
    raise argparse.ArgumentTypeError(
        f"{text!r} is no draw; give two agents and a task or more, as 8,1000"
    )
