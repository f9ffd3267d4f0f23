"""The tables of who is in which segment, and of what members buy."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import UUID


def declare_segments(metadata: MetaData) -> None:
    """Declare them in the service's metadata."""
    Table(
        "segment_memberships",
        metadata,
        Column("customer_id", UUID(), primary_key=True),
        Column("segment_id", Text, primary_key=True),
        Column("n", BigInteger, nullable=False, comment="of this transition; the highest is the state"),
        Column("is_member", Boolean, nullable=False),
        Index("segment_memberships_members", "segment_id", postgresql_where=text("is_member")),
        info={"class": "derived"},
    )
    Table(
        "segment_sales",
        metadata,
        Column("segment_id", Text, primary_key=True),
        Column("product_id", Text, primary_key=True),
        Column("purchases", BigInteger, nullable=False, comment="receipts of members that hold the product"),
        CheckConstraint("purchases > 0", name="segment_sales_purchases"),
        info={"class": "computed"},
    )
