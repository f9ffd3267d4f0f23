"""Owns what each generator brings to the lists it feeds: all of them are asked, with it and without it.

Nothing of the test is looked at: what is to be predicted lies in the four weeks before the test's cut. Rankers are
fitted anew without the generator; customers are a seeded sample, so that it ends within minutes.
"""

from regulars.evaluation.progress import Progress
from regulars.evaluation.recommend.ablation_coupons import coupons
from regulars.evaluation.recommend.ablation_next import drawn, next_baskets
from regulars.evaluation.recommend.ablation_open import open_baskets
from regulars.evaluation.recommend.ablation_placements import placements
from regulars.evaluation.recommend.ablation_report import Ablation
from regulars.evaluation.recommend.ablation_trending import trending
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.next_basket import temporal_cut
from services.recommend.training.origins import HORIZON_DAYS

CUSTOMERS = 1000
BASKETS = 1500


def ablation(data: Evaluated, progress: Progress, customers: int = CUSTOMERS, baskets: int = BASKETS) -> Ablation:
    """Rank as served and without each generator. Raises TooLittleDataError, NobodyToAskError."""
    cut = temporal_cut(data.dataset) - HORIZON_DAYS
    sections = [
        *next_baskets(data, cut, customers, progress),
        *open_baskets(data, cut, progress),
        *placements(data, cut, baskets, progress),
        *coupons(data, cut, drawn(data, customers), progress),
        *trending(data, cut + HORIZON_DAYS, progress),
    ]
    return Ablation(data.name, sections)
