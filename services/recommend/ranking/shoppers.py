"""Owns a customer as the personal generators see them: every generator's score for every product."""

from dataclasses import dataclass

from services.recommend.generators import sized, tifu, upcf
from services.recommend.generators.neighbours import blended, dense
from services.recommend.history import History, Matrix
from services.recommend.knowledge import Knowledge


@dataclass(frozen=True, slots=True)
class Shopper:
    """A customer's history and scores over all products; none depends on the moment, only on what was bought."""

    history: History
    tifu: Matrix
    upcf: Matrix
    own_value: Matrix
    crowd_value: Matrix

    @property
    def formula(self) -> Matrix:
        return self.own_value + sized.CROWD_SHARE * self.crowd_value


def shopper_of(history: History, knowledge: Knowledge, own_row: int | None) -> Shopper:
    """Run the personal generators; `own_row` is the customer's profile row, kept out of the neighbours."""
    size = len(knowledge.assortment)
    own = sized.vector_of(history)
    rows, shares = sized.crowd(knowledge.sized, own, own_row)
    return Shopper(
        history=history,
        tifu=tifu.scores(knowledge.tifu, tifu.vector_of(history), own_row, size),
        upcf=upcf.scores(knowledge.upcf, upcf.vector_of(history), own_row, size),
        own_value=dense(own, size),
        crowd_value=blended(knowledge.sized, rows, shares, size),
    )
