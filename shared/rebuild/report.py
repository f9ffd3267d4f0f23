"""What a rebuild came to, in lines for people."""

from collections.abc import Iterator

from shared.rebuild.domain import Rebuilt, TableFinding


def lines_of(rebuilt: Rebuilt) -> Iterator[str]:
    """Yield a line for each table, and a last one that says what was done."""
    for finding in rebuilt.findings:
        yield f"  {finding.table}: {_of_table(finding)}"
    for note in rebuilt.notes:
        yield f"  {note}"
    rate = rebuilt.events / max(rebuilt.fill_seconds, 1e-3)
    applied = f"{rebuilt.events:,} events applied anew in {rebuilt.fill_seconds:,.1f} s ({rate:,.0f}/s)"
    yield f"{rebuilt.service}: {applied}"
    yield f"{rebuilt.service}: {_outcome(rebuilt)}"


def _of_table(finding: TableFinding) -> str:
    differences = finding.differences
    if differences is None:
        return f"{finding.rows_live:,} rows, equal"
    sample = ", ".join(differences.sample)
    return (
        f"DIFFERS: {differences.changed:,} rows have other values, {differences.only_live:,} are only live,"
        f" {differences.only_next:,} only anew; the first: {sample}"
    )


def _outcome(rebuilt: Rebuilt) -> str:
    if rebuilt.is_swapped:
        return f"the new tables serve; nothing was applied for {rebuilt.held_seconds * 1000:,.0f} ms meanwhile"
    if rebuilt.is_equal:
        return "live and new tables are equal; nothing was changed"
    return "nothing was changed; to take the new tables run it again with --accept"
