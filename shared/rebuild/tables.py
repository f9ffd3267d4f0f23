"""A service's declared tables as a rebuild needs to know them."""

from sqlalchemy import MetaData

from shared.rebuild.domain import TableShape


def shapes_of(metadata: MetaData) -> tuple[TableShape, ...]:
    """Return the shape of every table, in the order of their names."""
    return tuple(
        TableShape(
            table.name,
            table.info["class"],
            tuple(column.name for column in table.columns),
            tuple(column.name for column in table.primary_key.columns),
        )
        for table in sorted(metadata.tables.values(), key=lambda table: table.name)
    )
