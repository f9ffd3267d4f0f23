"""What can end a rebuild; whatever it is, the live tables are as they were.

RebuildRefused       it cannot begin as things are; the message says what to do
└── AnotherRuns      another rebuild of this service is under way
RebuildFailed        it began and could not go on
"""


class RebuildRefused(Exception):
    """The rebuild cannot begin."""


class AnotherRuns(RebuildRefused):
    """Two at once would write the same schema."""


class RebuildFailed(Exception):
    """The rebuild could not go on; its schema is dropped now or by the next run."""
