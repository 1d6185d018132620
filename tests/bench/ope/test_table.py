"""Tables of logged decisions, with mapped columns; what is wrong with one is one sentence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.data.recorded import DataError
from bench.ope.estimators import known
from bench.ope.evaluate import results
from bench.ope.refusal import NO_PROPENSITY
from bench.ope.table import Logged, read_table

HEAD = "agent_id,quality,propensity"
ROWS = ("a,1,0.5", "b,0,0.25", "c,0.5,0.25")
Table = Callable[..., Path]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Write a CSV of a header and rows."""

    def write(head: str = HEAD, rows: tuple[str, ...] = ROWS) -> Path:
        path = tmp_path / "log.csv"
        path.write_text("\n".join([head, *rows]) + "\n")
        return path

    return write


def test_columns_have_defaults(table: Table) -> None:
    """Without a mapping the columns are those of an export."""
    found = read_table(table(), {}, "uniform")
    assert found.sample is not None
    assert found.actions == ("a", "b", "c")
    assert found.sample.action.tolist() == [0, 1, 2]
    assert found.sample.reward.tolist() == [1.0, 0.0, 0.5]
    assert found.sample.weight == pytest.approx([2 / 3, 4 / 3, 4 / 3])
    assert found.sample.law is None
    assert found.sample.bounds is None  # .5 may not be the most there is


def test_columns_can_be_mapped(table: Table) -> None:
    """Any table serves whose columns are named; several contexts are joined by a plus."""
    rows = ("a,1,0.5,x,p", "b,0,0.25,y,p", "a,0,0.5,x,q", "b,0,0.25,z,q")
    path = table("item,click,score,day,shop", rows)
    columns = {"action": "item", "reward": "click", "propensity": "score", "context": "day+shop"}
    found = read_table(path, columns, "always:b")
    assert found.sample is not None
    assert found.sample.policy_propensity.tolist() == [0.0, 1.0, 0.0, 1.0]
    assert found.sample.bounds == (0.0, 1.0)
    assert found.sample.x.tolist() == [
        [1.0, 1.0, 0.0, 1.0],
        [1.0, 0.0, 1.0, 1.0],
        [1.0, 1.0, 0.0, 0.0],
        [1.0, 0.0, 0.0, 0.0],
    ]


def test_rows_can_be_chosen_by_their_columns(table: Table) -> None:
    """`where` keeps the rows that equal it, and no match is an error."""
    path = table(f"{HEAD},week", ("a,1,0.5,1", "b,0,0.25,2", "c,0.5,0.25,2"))
    found = read_table(path, {}, "uniform", where=[("week", "2")])
    assert found.actions == ("b", "c")
    with pytest.raises(DataError, match="no row has week=3"):
        read_table(path, {}, "uniform", where=[("week", "3")])


def test_rows_that_cannot_be_used_are_counted(table: Table) -> None:
    """Forced rows, rows that name who ran and rows without outcome are left out by name."""
    rows = (
        "a,1,0.5,SAMPLED,",
        "a,1,1,EXPLICIT,",
        "b,1,1,SIGNAL_ROUTE,",
        "b,0,0.25,SAMPLED,c",
        "b,0,0.25,SAMPLED,b",
        "b,0,0.25,SAMPLED,",
        "c,,0.25,SAMPLED,",
    )
    found = read_table(table(f"{HEAD},reason,executed_agent_id", rows), {}, "uniform")
    assert found.sample is not None
    assert len(found.sample.reward) == 2
    assert found.left_out == {
        "explicit": 1,
        "signal_route": 1,
        "executed_agent_named": 2,
        "without_outcome": 1,
    }


def test_a_table_that_always_names_who_ran_is_told_the_way_out(table: Table) -> None:
    """A logger that repeats who was drawn hears which column it is, and how it is passed over."""
    path = table(f"{HEAD},executed_agent_id", ("a,1,0.5,a", "b,0,0.25,b"))
    found = read_table(path, {}, "uniform")
    assert found.left_out == {"executed_agent_named": 2}
    assert "executed_agent_id names who ran in 2 of them" in str(found.unfit)
    assert "--columns executed=" in str(found.unfit)
    sample = read_table(path, {"executed": ""}, "uniform").sample
    assert sample is not None
    assert sample.reward.tolist() == [1.0, 0.0]


def test_what_is_mapped_to_nothing_is_not_looked_at(table: Table) -> None:
    """Any column that has a meaning only by its name can be passed over; what must be there not."""
    path = table(
        f"{HEAD},law,work_type,reason,stages,request_id", ("a,1,0.5,?,x,EXPLICIT,?,1",) * 2
    )
    nothing = dict.fromkeys(("law", "context", "reason", "stages", "request"), "")
    sample = read_table(path, nothing, "uniform").sample
    assert sample is not None
    assert sample.law is None
    assert sample.x.tolist() == [[1.0], [1.0]]
    for role in ("action", "reward", "propensity"):
        with pytest.raises(DataError, match=f"{role}= names no column"):
            read_table(path, {**nothing, role: ""}, "uniform")


def test_whole_laws_come_as_json(table: Table) -> None:
    """With the law of every row, each rule is judged over what could be done in that row."""
    laws = ({"a": 0.5, "b": 0.5}, {"b": 0.25, "c": 0.75})
    quoted = [json.dumps(law).replace('"', '""') for law in laws]
    rows = (f'a,1,0.5,"{quoted[0]}"', f'b,0,0.25,"{quoted[1]}"')
    sample = read_table(table(f"{HEAD},law", rows), {}, "uniform").sample
    assert sample is not None
    assert known(sample.law).tolist() == [[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]]
    assert known(sample.policy).tolist() == [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
    logged = read_table(table(f"{HEAD},law", rows), {}, "logged").sample
    assert logged is not None
    assert logged.weight.tolist() == [1.0, 1.0]


def test_the_judged_probability_can_be_a_column(table: Table) -> None:
    """A table may bring the judged policy's probability of each action."""
    path = table(f"{HEAD},mine", ("a,1,0.5,0.25", "b,0,0.25,0.5", "c,0.5,0.25,0"))
    sample = read_table(path, {}, "column:mine").sample
    assert sample is not None
    assert sample.policy is None
    assert sample.weight.tolist() == [0.5, 2.0, 0.0]


def test_without_propensities_nothing_can_be_told(table: Table) -> None:
    """A table without the probability of what was done is refused, and says so."""
    missing = read_table(table("agent_id,quality", ("a,1", "b,0")), {}, "uniform")
    assert str(missing.unfit).startswith(f"{NO_PROPENSITY}: the table has no column propensity")
    holes = read_table(table(rows=("a,1,0.5", "b,0,")), {}, "uniform")
    assert str(holes.unfit) == f"{NO_PROPENSITY}: 1 of 2 rows have no propensity"
    assert missing.sample is holes.sample is None


def test_bounds_must_hold(table: Table) -> None:
    """Given bounds are taken, and a reward outside them is an error that names its row."""
    sample = read_table(table(), {}, "uniform", bounds=(0.0, 1.0)).sample
    assert sample is not None
    assert sample.bounds == (0.0, 1.0)
    with pytest.raises(DataError, match=r"row 1: quality is 1, outside --bounds 0,0.9"):
        read_table(table(), {}, "uniform", bounds=(0.0, 0.9))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (("a,1,0.5", ",0,0.25"), "row 2: agent_id is missing"),
        (("a,1,0.5", "b,good,0.25"), "row 2: quality is 'good'; it must be a number"),
        (("a,1,0.5", "b,inf,0.25"), "row 2: quality is infinite"),
        (("a,1,0.5", "b,0,0"), r"row 2: propensity is 0; it must be in \(0, 1\]"),
        (("a,1,0.5", "b,0,1.5"), r"row 2: propensity is 1.5; it must be in \(0, 1\]"),
        (("a,1,0.5", "b,0,often"), "row 2: propensity is 'often'; it must be a number"),
    ],
)
def test_a_wrong_value_is_told_by_row_and_column(
    table: Table, rows: tuple[str, ...], told: str
) -> None:
    """One sentence names the row, the column and what it must be."""
    with pytest.raises(DataError, match=told):
        read_table(table(rows=rows), {}, "uniform")


@pytest.mark.parametrize(
    ("columns", "policy", "told"),
    [
        ({"reward": "money"}, "uniform", r"the column money \(for reward\) is missing"),
        ({"propensity": "p"}, "uniform", r"the column p \(for propensity\) is missing"),
        ({"colour": "x"}, "uniform", "'colour' is none of action, reward"),
        ({}, "always:d", "no such action in the log; it has a, b, c"),
        ({}, "column:mine", r"the column mine \(--policy\) is missing"),
        ({}, "column:quality", None),
    ],
)
def test_a_wrong_column_is_told(
    table: Table, columns: dict[str, str], policy: str, told: str | None
) -> None:
    """A column or an action that is not there is named, with those that are."""
    if told is None:
        assert read_table(table(), columns, policy).sample is not None
        return
    with pytest.raises(DataError, match=told):
        read_table(table(), columns, policy)


def test_a_wrong_law_is_told(table: Table) -> None:
    """A law that is no JSON of probabilities that sum to one is named by its row."""
    for law in ("{}", "0.5", '{""a"": 0.5}', '{""a"": 2, ""b"": -1}', "[1]"):
        path = table(f"{HEAD},law", (f'a,1,0.5,"{law}"',))
        with pytest.raises(DataError, match="row 1: law is no JSON"):
            read_table(path, {}, "uniform")


def test_parquet_serves_like_csv(tmp_path: Path) -> None:
    """The same rows as Parquet give the same sample."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "log.parquet"
    columns = {"item_id": [3, 1, 3], "click": [1, 0, 0], "score": [0.5, 0.25, 0.5]}
    parquet.write_table(pyarrow.table(columns), path)
    mapped = {"action": "item_id", "reward": "click", "propensity": "score"}
    sample = read_table(path, mapped, "uniform").sample
    assert sample is not None
    assert sample.action.tolist() == [1, 0, 1]
    assert sample.reward.tolist() == [1.0, 0.0, 0.0]


OPEN_BANDIT = Path(os.environ.get("ROUTERD_DATA", "none")) / "obd_logged.parquet"
OPEN_BANDIT_COLUMNS = {
    "action": "item_id",
    "reward": "click",
    "propensity": "propensity_score",
    "context": "position",
}


def open_bandit(policy: str) -> Logged:
    """The women's log of the Open Bandit Dataset, uniform judged."""
    pytest.importorskip("pyarrow")
    rows = [("campaign", "women"), ("policy", policy)]
    return read_table(OPEN_BANDIT, OPEN_BANDIT_COLUMNS, "uniform", where=rows)


@pytest.mark.skipif(not OPEN_BANDIT.exists(), reason="needs the Open Bandit log in ROUTERD_DATA")
def test_open_bandit_random_log_is_its_own_policy() -> None:
    """The uniform log's IPS is its click rate, 46 clicks in 10,000, with a wide interval."""
    found = open_bandit("random")
    assert found.sample is not None
    rows = results(found.sample, independent=True, left_out={}, resamples=500)
    told = {row.estimator: row for row in rows}
    assert told["ips"].value == pytest.approx(0.0046)
    assert told["ips"].ess == pytest.approx(10_000)
    assert told["ips"].ci95 is not None
    low, high = told["ips"].ci95
    assert low < 0.0036 < 0.0056 < high


@pytest.mark.skipif(not OPEN_BANDIT.exists(), reason="needs the Open Bandit log in ROUTERD_DATA")
def test_open_bandit_women_is_refused() -> None:
    """Uniform judged on the women's learning log has two effective rows: no estimator speaks."""
    found = open_bandit("bts")
    assert found.sample is not None
    assert float(np.max(found.sample.weight)) > 20_000
    rows = results(found.sample, independent=False, left_out={})
    assert all(row.refused for row in rows)
    assert rows[1].ess == pytest.approx(2.1, abs=0.1)
