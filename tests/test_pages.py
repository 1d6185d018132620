"""README and docs/ are true: their examples run, in order, in an empty directory."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.pages import NODE, PAGES, ROOT, Block, blocks, commands, reader

README = ROOT / "README.md"
RUN = ("sh", "python", "yaml")
SHOWN = ("go", "js", "ts", "java", "rust", "proto", "json", "text", "sql")
BUF = shutil.which("buf") or shutil.which("buf", path=NODE)


def tasks() -> str:
    """What README calls tasks.csv: recorded tasks of two agents."""
    cells = [(i, a) for i in range(30) for a in (0, 1)]
    rows = [f"t{i:03d},{a},{(i * (3 + a)) % 7 / 7:.3f},0.0{1 + a}" for i, a in cells]
    return "\n".join(["task_id,agent_id,quality,cost_usd", *rows])


def uses_buf(block: Block) -> bool:
    return block.language == "sh" and any(line.startswith("buf ") for line in commands(block))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path) -> None:
    """Every example ends well. Those that need buf: if it is there; README's have a test below."""
    (tmp_path / "tasks.csv").write_text(tasks())
    with reader(tmp_path) as someone:
        for block in blocks(page):
            if not uses_buf(block) or (BUF and page != README):
                someone.follow(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_example_is_in_a_language_that_is_known(page: Path) -> None:
    """A misspelt language would be an example that nobody runs."""
    fences = re.findall(r"^```(.*)$", page.read_text(), re.MULTILINE)
    assert set(fences[::2]) <= {*RUN, *SHOWN}
    assert set(fences[1::2]) <= {""}
    assert any(block.language in RUN for block in blocks(page)) == bool(fences)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link names a file of the project, and a heading of it if it says so."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("http"):
            continue
        name, _, heading = target.partition("#")
        file = (page.parent / name) if name else page
        assert file.exists(), target
        titles = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE) if heading else []
        slugs = [re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles]
        assert not heading or heading in slugs, target


def test_the_readme_shows_a_whole_life(tmp_path: Path) -> None:
    """From a configuration to a verified log, in the order that a new user goes."""
    shown = [c.split()[:2] for b in blocks(README) if b.language == "sh" for c in commands(b)]
    ran = [words[1] for words in shown if words[0] == "routerd"]
    assert ran == ["check-config", "serve", "route", "outcome", "decision", "verify", "prove"]


@pytest.mark.skipif(not BUF, reason="buf is neither on the path nor in .venv: `make check` gets it")
def test_buf_curl_by_reflection_alone_registers_routes_reports_and_reads_the_audit(
    tmp_path: Path,
) -> None:
    """README's commands need no file of the contract, and the audit shows what they did."""
    with reader(tmp_path) as someone:
        (by_reflection,) = filter(uses_buf, blocks(README))
        for block in (*blocks(README)[:3], by_reflection):
            told = someone.follow(block)
    answers = [json.loads(part) for part in re.findall(r"^\{.*?^\}", told, re.M | re.S)]
    registered, routed, _, found = answers
    assert registered["agent"]["source"] == "AGENT_SOURCE_RPC"
    record = found["decision"]
    assert record["decisionId"] == routed["decisionId"]
    assert record["requestId"] == "job-17"
    assert record["workType"] == "code"
    assert record["outcome"] == {"quality": 1, "costUsd": 0.004, "reports": 1}
