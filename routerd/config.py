"""routerd.yaml: read, checked as a whole, and typed. JSON is YAML.

python -m routerd.config > routerd/config.schema.json     writes the shipped JSON Schema
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from routerd.config_checks import (
    agent_problems,
    experiment_problems,
    override_problems,
    problems,
)
from routerd.config_text import Problem, oddities, read, writable
from routerd.core.experiment import Experiment
from routerd.core.rules import Override
from routerd.core.settings import Agent
from routerd.settings import Config


class ConfigErrors(Exception):
    """Everything that is wrong with a configuration, each as (path, sentence).

    A path is written as in `agents[2].prices.input_usd_per_mtok`; it is empty for the whole file.
    """

    def __init__(self, errors: Sequence[Problem]) -> None:
        # What is wrong may be that a text cannot be written anywhere.
        self.errors = [(writable(path), writable(message)) for path, message in errors]
        super().__init__("; ".join(self.lines()))

    def lines(self) -> list[str]:
        """One line for each error, its path first."""
        return [f"{path}: {message}" if path else message for path, message in self.errors]


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of routerd.yaml, made from the settings."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "routerd.yaml"}
    return {**head, **msgspec.json.schema(Config)}


def load(path: str | Path) -> Config:
    """The configuration in a YAML or JSON file; raises ConfigErrors with every error at once."""
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise ConfigErrors([("", f"cannot read {path}: {error.strerror}")]) from None
    data, found = read(text)
    return _checked(data, found)


def parse(data: object) -> Config:
    """The configuration in plain data, or one that is typed already, checked like a file."""
    plain = msgspec.to_builtins(data) if isinstance(data, Config) else data
    return _checked(plain, list(oddities(plain)))


def parse_agent(data: dict[str, Any]) -> Agent:
    """An agent in plain data, held to the rules of `agents` in a file.

    Raises ConfigErrors with every error at once; their paths start at the agent.
    """
    found = _more(list(oddities(data)), agent_problems(data, schema()))
    if found:
        raise ConfigErrors(found)
    return msgspec.convert(data, Agent)


def parse_override(data: dict[str, Any]) -> Override:
    """An override in plain data, held to the rules of `overrides` in a file. Raises likewise."""
    found = _more(list(oddities(data)), override_problems(data, schema()))
    if found:
        raise ConfigErrors(found)
    return msgspec.convert(data, Override)


@cache
def experiment_schema() -> dict[str, Any]:
    """The JSON Schema of an experiment, which is no section of routerd.yaml."""
    return msgspec.json.schema(Experiment)


def parse_experiment(data: dict[str, Any]) -> Experiment:
    """An experiment in plain data, held to rules like those of a file. Raises likewise."""
    found = _more(list(oddities(data)), experiment_problems(data, experiment_schema()))
    if found:
        raise ConfigErrors(found)
    return msgspec.convert(data, Experiment)


def _more(found: list[Problem], others: Iterable[Problem]) -> list[Problem]:
    """What was found, and of the others what is at another place."""
    told = {path for path, _ in found}
    return found + [problem for problem in others if problem[0] not in told]


def _checked(data: object, found: list[Problem]) -> Config:
    if isinstance(data, dict):
        found = _more(found, problems(data, schema()))
    elif data is not None or not found:
        found.append(("", "must be a mapping of keys such as `agents`"))
    if found:
        raise ConfigErrors(found)
    return msgspec.convert(data, Config)


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
