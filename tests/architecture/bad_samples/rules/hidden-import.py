# lies at: services/churn/scorer.py
import json


def score(rows):
    import lightgbm  # breaks the rule
    import numpy  # noqa: PLC0415  # breaks the rule too: a code is no reason
    import polars  # noqa: PLC0415 - 90 MB that the API process never needs

    # Loaded late: the index library starts threads that a fork would lose.
    import faiss

    async def inner():
        from services.churn import registry  # breaks the rule
