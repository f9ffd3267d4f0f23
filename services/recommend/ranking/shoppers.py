"""Owns a customer as the personal generators see them: every generator's score for every product."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from services.recommend.generators import sized, tifu, upcf
from services.recommend.generators.neighbours import dense
from services.recommend.generators.switches import EVERYTHING, Generator, Switches
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
    switches: Switches = EVERYTHING

    @property
    def formula(self) -> Matrix:
        return self.own_value + sized.CROWD_SHARE * self.crowd_value

    def without(self, switches: Switches) -> "Shopper":
        """Return the shopper with what is switched off at zero; own products that are off are no candidates."""
        fields = {Generator.TIFU: "tifu", Generator.UP_CF: "upcf", Generator.USER_CF: "crowd_value"}
        nothing = np.zeros(self.own_value.size, np.float32)
        silent: dict[str, Any] = {name: nothing for generator, name in fields.items() if not switches.has(generator)}
        return replace(self, switches=switches, **silent)


def shopper_of(history: History, knowledge: Knowledge, own_row: int | None) -> Shopper:
    """Run the personal generators; `own_row` is the customer's profile row, kept out of the neighbours."""
    size = len(knowledge.assortment)
    own = sized.vector_of(history)
    whole = Shopper(
        history=history,
        tifu=tifu.scores(knowledge.tifu, tifu.vector_of(history), own_row, size),
        upcf=upcf.scores(knowledge.upcf, upcf.vector_of(history), own_row, size),
        own_value=dense(own, size),
        crowd_value=sized.crowd_scores(knowledge.sized, own, own_row, size),
    )
    return whole.without(knowledge.switches) if knowledge.switches.off else whole
