"""Where ingest declares its tables; all of them are owned, since nothing here can be made from elsewhere."""

from sqlalchemy import Column, DateTime, MetaData

OWNED = {"class": "owned"}
NAMING = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_name)s_key",
    "ck": "%(constraint_name)s",
    "ix": "%(table_name)s_%(column_0_name)s_idx",
}

metadata = MetaData(naming_convention=NAMING)
vault_metadata = MetaData(naming_convention=NAMING)


def moment(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)
