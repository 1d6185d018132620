"""`routerd profile`: what agents have shown that they can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from routerd.cli.agents import stub
from routerd.cli.calls import TIMEOUT_S, address_option, in_json, pages
from routerd.cli.output import console, json_option, say_json
from routerd.cli.tables import table
from routerd.cli.times import utc

if TYPE_CHECKING:
    from routerd.v1 import agents_pb2

HEAD = ("agent", "work type", "outcomes", "quality", "cost usd", "latency ms", "last chosen")


@click.command()
@click.argument("agent_id", required=False)
@click.option("--work-type", default="", help="Only records of it.")
@json_option
@address_option
def profile(agent_id: str | None, work_type: str, as_json: bool, address: str) -> None:
    """Show what AGENT_ID has shown that it can do. Without AGENT_ID: what all have."""
    found = asked(agent_id, work_type, address)
    if as_json and agent_id:
        say_json(in_json(found[0]))
    elif as_json:
        say_json([in_json(one) for one in found])
    else:
        console().print(table(HEAD, (row for one in found for row in rows(one)), left=2))


def asked(agent_id: str | None, work_type: str, address: str) -> list[agents_pb2.CapabilityProfile]:
    """One profile, or all, page after page."""
    from routerd.v1.agents_pb2 import GetCapabilityProfileRequest, ListCapabilityProfilesRequest

    with stub(address) as service:
        if agent_id:
            wire = GetCapabilityProfileRequest(agent_id=agent_id)
            one = service.GetCapabilityProfile(wire, timeout=TIMEOUT_S).profile
            if work_type:
                kept = [record for record in one.records if record.work_type == work_type]
                one.ClearField("records")
                one.records.extend(kept)
            return [one]
        asking = ListCapabilityProfilesRequest(work_type=work_type)
        every = pages(service.ListCapabilityProfiles, asking)
        return [one for page in every for one in page.profiles]


def rows(of: agents_pb2.CapabilityProfile) -> Iterator[tuple[str, ...]]:
    """A row for all its work, where that says more, and one for each work type."""
    if len(of.records) != 1:
        yield row(of.agent_id, "all", of.overall)
    for record in of.records:
        yield row(of.agent_id, record.work_type or "(none)", record)


def row(agent_id: str, work_type: str, record: agents_pb2.CapabilityRecord) -> tuple[str, ...]:
    def mean(name: str, form: str) -> str:
        return format(getattr(record, name), form) if record.HasField(name) else ""

    last = record.last_chosen_time_ms
    return (
        agent_id,
        work_type,
        str(record.outcomes),
        mean("mean_quality", ".1%"),
        mean("mean_cost_usd", ".4g"),
        mean("mean_latency_ms", ".0f"),
        utc(last) if last else "never",
    )
