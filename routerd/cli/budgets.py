"""`routerd budgets`: what was spent of each budget in its current window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from routerd.cli.calls import address_option, in_json, pages, policy_service
from routerd.cli.output import console, json_option, say_json
from routerd.cli.tables import table
from routerd.cli.times import utc

if TYPE_CHECKING:
    from routerd.v1 import policy_pb2

HEAD = ("budget", "of", "until", "spent USD", "of USD", "decisions", "mean USD", "utility per USD")


@click.command()
@json_option
@address_option
def budgets(as_json: bool, address: str) -> None:
    """Show what was spent of each budget.

    And the price of a dollar that paces it, in utility.
    """
    from routerd.v1.policy_pb2 import ListBudgetsRequest

    with policy_service(address) as service:
        every = pages(service.ListBudgets, ListBudgetsRequest())
        found = [budget for page in every for budget in page.budgets]
    if as_json:
        say_json([in_json(budget) for budget in found])
    else:
        console().print(table(HEAD, map(row, found), left=3))


def row(told: policy_pb2.Budget) -> tuple[str, ...]:
    mean = f"{told.spent_usd / told.decisions:.6g}" if told.decisions else ""
    paced = f" of {told.usd_per_decision:.6g}" if told.HasField("usd_per_decision") else ""
    return (
        told.budget_id,
        told.value,
        utc(told.window_end_time_ms),
        f"{told.spent_usd:.6g}",
        f"{told.usd:.6g}" if told.HasField("usd") else "",
        str(told.decisions),
        mean + paced,
        f"{told.price:.4g}",
    )
