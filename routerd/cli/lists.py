"""Options that hold several things with commas between."""

from __future__ import annotations

from routerd.cli.output import Exit, Failed


def listed(value: str | None) -> list[str] | None:
    """`A,B` as a list; None for an option that was not given."""
    return None if value is None else [part.strip() for part in value.split(",") if part.strip()]


def mapping(text: str | None) -> dict[str, str]:
    """`a=x,b=y` of --columns as a mapping; `a=` maps a to nothing."""
    pairs = [part.partition("=") for part in (text or "").split(",") if part]
    wrong = [name for name, equals, _ in pairs if not (name and equals)]
    if wrong:
        raise Failed(f"--columns: {wrong[0]!r} must be ROLE=COLUMN", exit_code=Exit.USAGE)
    columns = {name.strip(): value.strip() for name, _, value in pairs}
    if len(columns) < len(pairs):
        raise Failed(
            "--columns: a role is given more than once; give it once", exit_code=Exit.USAGE
        )
    return columns
