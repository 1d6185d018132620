"""What the audit lets go of: decisions that are closed and long past, with all that stands by them.

Configurations, agents and the sums by agent and work type stay: what was decided does not make them
more. A group is forgotten with its last decision.
"""

from __future__ import annotations

GONE = "position <= :before AND open = 0"

FORGET = tuple(
    statement.format(gone=GONE)
    for statement in (
        """DELETE FROM groups WHERE open = 0
        AND group_id IN (SELECT group_id FROM decisions WHERE {gone} AND group_id > '')
        AND NOT EXISTS (SELECT 1 FROM decisions WHERE group_id = groups.group_id AND NOT ({gone}))
        """,
        """DELETE FROM labels WHERE (key, value, position) IN
        (SELECT label.key, label.value, position FROM decisions, json_each(labels) AS label
        WHERE {gone})""",
        "DELETE FROM candidates WHERE position IN (SELECT position FROM decisions WHERE {gone})",
        """DELETE FROM outcomes WHERE decision_id IN
        (SELECT decision_id FROM decisions WHERE {gone})""",
        """DELETE FROM group_outcomes WHERE decision_id IN
        (SELECT decision_id FROM decisions WHERE {gone})""",
        "DELETE FROM decisions WHERE {gone}",
        """DELETE FROM outcomes WHERE position <= :before AND decision_id = ''
        AND NOT EXISTS (SELECT 1 FROM group_outcomes WHERE position = outcomes.position)""",
        "DELETE FROM closings WHERE position <= :before",
        "DELETE FROM agent_events WHERE position <= :before",
    )
)
"""In this order, with `before`: the last position that is to go."""
