"""`routerd prove`: its page, its output, and what it says of files that it cannot use."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from bench.prove.findings import Proof
from bench.prove.page import proof_page
from bench.prove.proof import prove
from routerd.cli.main import main
from tests.bench.pages import NASTIER, NASTY, harmless, pictures
from tests.bench.prove.rows import COSTS, SPLIT, Rows, recorded, world, write

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def proof() -> Proof:
    return prove(recorded(world(200, SPLIT, costs=COSTS)), cost_weight=1.0, seeds=2)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["prove", *map(str, arguments)], prog_name="routerd")


def test_the_page_stands_alone(proof: Proof) -> None:
    """Nothing is loaded from elsewhere and no script runs; a policy in the page forbids both."""
    page = harmless(proof_page(proof, "0.1"))
    (policy,) = (a["content"] for _, a in page.tags if a.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_every_picture_is_told_in_words(proof: Proof) -> None:
    """Each picture is sound XML with a text that tells it, and its marks lie inside it."""
    found = pictures(proof_page(proof, "0.1"))
    assert len(found) == 7
    for svg in found:
        assert svg.get("role") == "img"
        assert len(svg.get("aria-label", "")) > 40
        _, _, width, height = map(float, svg.get("viewBox", "").split())
        numbers = [
            (float(element.get(x, "0")), float(element.get(y, "0")))
            for element in svg.iter()
            for x, y in (("x", "y"), ("cx", "cy"), ("x1", "y1"), ("x2", "y2"))
        ]
        assert all(-1 <= x <= width + 1 and -1 <= y <= height + 1 for x, y in numbers)


def test_every_caption_has_its_n(proof: Proof) -> None:
    """Tables and pictures say how many tasks they rest on."""
    page = proof_page(proof, "0.1")
    captions = re.findall(r"<figcaption>.*?</figcaption>|<caption>.*?</caption>", page, re.DOTALL)
    assert len(captions) >= 10
    assert [caption for caption in captions if "n = 200 tasks" not in caption] == []


def test_names_stay_text(tmp_path: Path) -> None:
    """Agents, work types and files that are named like markup are shown and not obeyed."""
    rows = world(
        60, {NASTY: (0.9, 0.1), NASTIER: (0.1, 0.9)}, (NASTY, NASTIER), {NASTY: 1, NASTIER: 2}
    )
    file = write(tmp_path / "<b>.csv", rows)
    result = run(file, "--seeds", 2, "--jobs", 1, "--out", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "page.html").read_text()
    harmless(text)
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;" in text
    assert pictures(text)


# The command.


def test_the_command_writes_page_and_verdict(tmp_path: Path) -> None:
    """It prints the answer and its sentences, and writes the same ones to the page."""
    file = write(tmp_path / "tasks.csv", world(80, SPLIT, costs=COSTS))
    out = tmp_path / "page.html"
    result = run(file, "--cost-weight", 2, "--seeds", 2, "--jobs", 1, "--out", out)
    assert result.exit_code == 0, result.output
    answer, first, second, where = result.output.splitlines()
    assert where == f"The page: {out}"
    page = out.read_text()
    for told in (answer.rstrip("."), first, second):
        assert told.replace("'", "&#x27;") in page


def test_json_holds_the_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--json prints what the page is made from, and no page is written without --out."""
    file = write(tmp_path / "tasks.csv", world(60, SPLIT))
    monkeypatch.chdir(tmp_path)
    result = run(file, "--seeds", 2, "--jobs", 1, "--json")
    assert list(tmp_path.iterdir()) == [file]
    found = json.loads(result.output)
    assert found.pop("verdict")["answer"]
    proof = msgspec.convert(found, Proof)
    assert (proof.scope.tasks, proof.scope.seeds, proof.scope.has_costs) == (60, 2, False)


def test_rows_in_another_order_give_the_same_page(tmp_path: Path) -> None:
    """The same rows give the same bytes, whatever order the file has them in."""
    rows = world(60, SPLIT)
    pages = []
    for number, order in enumerate((rows, rows[::-1])):
        (tmp_path / str(number)).mkdir()
        file = write(tmp_path / str(number) / "tasks.csv", order)
        out = tmp_path / f"{number}.html"
        assert run(file, "--seeds", 2, "--jobs", 1, "--out", out).exit_code == 0
        pages.append(out.read_bytes())
    assert pages[0] == pages[1]


def changed(row: int, **values: Any) -> Callable[[Rows], Rows]:
    return lambda rows: [{**r, **(values if at == row else {})} for at, r in enumerate(rows)]


def without(name: str) -> Callable[[Rows], Rows]:
    return lambda rows: [{k: v for k, v in row.items() if k != name} for row in rows]


WRONG: list[tuple[Callable[[Rows], Rows], tuple[str, ...]]] = [
    (without("quality"), ("column quality", "missing")),
    (changed(3, quality=1.5), ("row 4", "quality", "1.5")),
    (changed(4, quality="nan"), ("row 5", "quality")),
    (changed(5, quality="good"), ("row 6", "quality", "good")),
    (lambda rows: [row for row in rows if row["agent_id"] == "left"], ("left", "two or more")),
    (lambda rows: rows[:8], ("4 tasks", "10")),
]


@pytest.mark.parametrize(("change", "named"), WRONG)
def test_a_wrong_file_gets_one_sentence(
    tmp_path: Path, change: Callable[[Rows], Rows], named: tuple[str, ...]
) -> None:
    """A file that cannot be used ends with code 2 and one line that names the row or the column."""
    file = write(tmp_path / "tasks.csv", change(world(20, SPLIT)))
    result = run(file, "--jobs", 1, "--out", tmp_path / "page.html")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    for part in named:
        assert part in result.stderr
    assert not (tmp_path / "page.html").exists()


def test_a_cost_weight_needs_costs(tmp_path: Path) -> None:
    """A cost weight without costs is an error, not a quiet 0."""
    file = write(tmp_path / "tasks.csv", world(20, SPLIT))
    result = run(file, "--cost-weight", 3, "--out", tmp_path / "page.html")
    assert result.exit_code == 2
    assert "cost_usd" in result.stderr


def test_a_place_that_is_not_there_is_told_first(tmp_path: Path) -> None:
    """A page that could not be written is refused before the work, not after it."""
    file = write(tmp_path / "tasks.csv", world(20, SPLIT))
    result = run(file, "--out", tmp_path / "none" / "page.html")
    assert result.exit_code == 2
    assert str(tmp_path / "none") in result.stderr


BARE = """
import sys
for name in ("joblib", "pyarrow", "matplotlib", "sklearn", "river", "vowpalwabbit", "mabwiser",
             "pandas", "pareto_bandit", "threadpoolctl"):
    sys.modules[name] = None
from routerd.cli.main import main
main(prog_name="routerd")
"""


def test_the_base_install_is_enough_for_csv(tmp_path: Path) -> None:
    """Without the extra `bench` a CSV file is proved; Parquet gets a sentence naming the extra."""
    file = write(tmp_path / "tasks.csv", world(30, SPLIT))
    (tmp_path / "tasks.parquet").write_bytes(b"PAR1")

    def bare(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", BARE, "prove", name, "--seeds", "2", "--jobs", "1"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            text=True,
            capture_output=True,
            timeout=120,
            check=False,
        )

    done = bare(file.name)
    assert done.returncode == 0, done.stderr
    harmless((tmp_path / "prove.html").read_text())
    done = bare("tasks.parquet")
    assert done.returncode == 2
    assert "routerd[bench]" in done.stderr
    assert len(done.stderr.splitlines()) == 1
