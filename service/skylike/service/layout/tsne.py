"""A t-SNE layout (van der Maaten & Hinton 2008), by openTSNE where that is installed."""

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skylike.service import caller
from skylike.service.errors import NotReady
from skylike.service.processes import num_cores
from skylike.service.progress import Progress, Watched

MOST_FITTED = 100_000
"""How many vectors are laid out; more of them are placed by their neighbours."""

PERPLEXITY = 30
"""About how many neighbours each vector keeps, unless there are too few."""

_LEAST = 4  # vectors
_STEPS = (250, 500)  # apart from each other first, then where they stay
_EVERY = 10  # steps between looks at whether it is still wanted


def require_tsne() -> None:
    """See that layouts can be made.

    Raises
    ------
    NotReady
        ``not_installed`` without openTSNE.
    """
    if importlib.util.find_spec("openTSNE") is None:
        raise NotReady(
            "The layout tsne needs openTSNE: pip install 'skylike[map]'.",
            reason="not_installed",
        )


def embedded(
    vectors: NDArray[np.float32], seed: int, shown: Watched
) -> NDArray[np.float32]:
    """Lay vectors out so that those that are alike lie together.

    Parameters
    ----------
    vectors : (n, dimension) float32, unit norm
    seed
        Same vectors, same seed, same places.
    shown
        Where to show how far it is.

    Returns
    -------
    places : (n, 2) float32
        Around 0.

    Raises
    ------
    NotReady
        ``not_installed`` as `require_tsne`, ``too_few_objects`` for fewer than four vectors.
    """
    require_tsne()
    if len(vectors) < _LEAST:
        raise NotReady(
            f"The layout tsne needs {_LEAST} searchable objects or more; the collection "
            f"has {len(vectors)}.",
            reason="too_few_objects",
        )
    # It takes seconds, and who asks for no such layout need not wait.
    from openTSNE import TSNE  # noqa: PLC0415

    with Progress("laying out", sum(_STEPS), "step", shown) as progress:

        def look(step: int, *_: Any) -> None:
            caller.check()
            progress.advance(_EVERY)

        found = TSNE(
            perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3),
            metric="cosine",
            early_exaggeration_iter=_STEPS[0],
            n_iter=_STEPS[1],
            random_state=seed,
            n_jobs=num_cores(),
            callbacks=look,
            callbacks_every_iters=_EVERY,
        ).fit(vectors)
    places = np.asarray(found, np.float32)
    centred: NDArray[np.float32] = places - places.mean(axis=0)
    return centred
