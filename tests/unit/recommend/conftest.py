"""What all tests of recommend's parts share."""

from tests.fixtures.small_nets import small_nets

__all__ = ["small_nets"]
