"""The tables of who is in which segment, and of what members buy."""

from sqlalchemy import BigInteger, CheckConstraint, Column, MetaData, Table, Text

from shared.customers.tables import declare_memberships


def declare_segments(metadata: MetaData) -> None:
    """Declare them in the service's metadata."""
    declare_memberships(metadata)
    Table(
        "segment_sales",
        metadata,
        Column("segment_id", Text, primary_key=True),
        Column("product_id", Text, primary_key=True),
        Column("purchases", BigInteger, nullable=False, comment="receipts of members that hold the product"),
        CheckConstraint("purchases > 0", name="segment_sales_purchases"),
        info={"class": "computed"},
    )
