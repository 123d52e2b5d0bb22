"""Examples to learn from, and how they are divided so that what is told of errors holds."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NUM_FOLDS = 5
"""Parts of the examples, each of which is predicted from the others."""

MIN_EXAMPLES = 20
"""Fewer examples, or fewer places, tell too little."""

_NEAR = 5  # examples that are told beside an answer

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Vectors = NDArray[np.float32]


class Examples(NamedTuple):
    """Objects that tell what is to be learned.

    Attributes
    ----------
    vectors : (n, dimension) float32, unit norm
    places : (n,) int64
        Those of one place are never in two parts.
    """

    vectors: Vectors
    places: Numbers

    def nearest(
        self, vector: Vectors, example: int | None = None, num: int = _NEAR
    ) -> Numbers:
        """Positions of those most like a vector, the most alike first.

        Of what is an example itself only those of other places.
        """
        order = np.argsort(-(self.vectors @ vector), kind="stable")
        if example is not None:
            order = order[self.places[order] != self.places[example]]
        return order[:num]


class Division(NamedTuple):
    """Examples in parts, each of which is left out of one model.

    The model without part 0 answers, and part 0 bounds its errors.

    Attributes
    ----------
    parts : (n,) int64
        The part of each example, 0 to 4.
    drawn : (p,) int64
        One example of each place: those of one place are no independent witnesses, but
        one drawn from each is to the others as one of a new place is (Dunn, Wasserman &
        Ramdas 2023, JASA 118, 2491, single subsampling).
    """

    parts: Numbers
    drawn: Numbers

    @classmethod
    def of(cls, examples: Examples, seed: int) -> "Division":
        """Divide examples of `MIN_EXAMPLES` places or more.

        Each five of the places that hold about as many examples go to the five parts,
        the largest to the smallest part: so each part has a fifth of the places, and no
        place that holds most of the examples is left out of the model that answers.
        """
        random = np.random.default_rng(seed)
        _, places, counts = np.unique(
            examples.places, return_inverse=True, return_counts=True
        )
        order = random.permutation(len(counts))
        order = order[np.argsort(-counts[order], kind="stable")]
        part_of = np.empty(len(counts), np.int64)
        sizes = np.zeros(NUM_FOLDS, np.int64)
        for start in range(0, len(order), NUM_FOLDS):
            some = order[start : start + NUM_FOLDS]
            smallest = np.argsort(sizes, kind="stable")[: len(some)]
            part_of[some] = smallest
            sizes[smallest] += counts[some]
        widths = np.bincount(part_of, minlength=NUM_FOLDS)
        # Part 0 has the most places, and of such parts the fewest examples.
        names = np.empty(NUM_FOLDS, np.int64)
        names[np.lexsort((sizes, -widths))] = np.arange(NUM_FOLDS)
        shuffled = random.permutation(len(places))
        _, first = np.unique(places[shuffled], return_index=True)
        return cls(names[part_of][places], shuffled[first])

    @property
    def num_calibration(self) -> int:
        """How many places bound the error."""
        return int(np.count_nonzero(self.parts[self.drawn] == 0))

    def bound(self, misfits: Floats, confidence: float) -> float | None:
        """What the misfit of one of a new place stays below, as often as is asked.

        Parameters
        ----------
        misfits : (n,) float64
            Of each example, by the model that has not seen its part.
        confidence
            How often.

        Returns
        -------
        bound
            None where there are too few places to say.
        """
        return _bound(misfits[self.drawn[self.parts[self.drawn] == 0]], confidence)

    def coverage(self, misfits: Floats, confidence: float) -> dict[str, float]:
        """How often the bound that the other parts give holds in each; empty if none."""
        held = 0
        drawn, parts = misfits[self.drawn], self.parts[self.drawn]
        for part in range(NUM_FOLDS):
            most = _bound(drawn[parts != part], confidence)
            if most is None:
                return {}
            held += int(np.count_nonzero(drawn[parts == part] <= most))
        return {"coverage": held / len(drawn)}


def _bound(misfits: Floats, confidence: float) -> float | None:
    place = int(np.ceil((len(misfits) + 1) * confidence))
    return None if place > len(misfits) else float(np.sort(misfits)[place - 1])
