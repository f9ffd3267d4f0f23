"""Every benchmark by name; here, since what they measure takes seconds to import."""

from enum import StrEnum


class Bench(StrEnum):
    """What `regulars bench` takes."""

    UP = "up"
    INGEST = "ingest"
    PROFILE = "profile"
    LOOKUP = "lookup"
    RECOMMEND = "recommend"
    CHURN = "churn"
    CAMPAIGN = "campaign"
    DEMO = "demo"
