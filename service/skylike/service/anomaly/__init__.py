"""How odd something is, and what that means among what is usual.

`neighbors` makes the score, of the distances to what is most alike; an isolation forest
(`forest`) and a density (`mixture`) give second opinions. They are not in the score:
combined by ranks they found fewer of the rare kinds of drawn skies
(docs/kinds-and-oddities.md). `fit` puts all of it among what is usual in an archive;
`nuisance` among what was observed alike; `usual` tells which attribute stands out.

The conformal p-value of a score (Bates et al. 2023, Annals of Statistics 51, 149;
arXiv:2104.08279) compares it with calibration objects: ordinary ones that are
neither in the archive nor in the model's training data, so that nothing that the
score is made of has seen them. For a new ordinary object the chance of p <= a is then
at most a; nothing is claimed below 1 / (n + 1) for n calibration objects. `discovery`
chooses among many at a rate of false alarms.
"""

from skylike.service.anomaly.discovery import Discoveries, discoveries
from skylike.service.anomaly.fit import PARTS, AnomalyFit, Fitted, Judgement, Part, fit
from skylike.service.anomaly.neighbors import (
    NUM_NEIGHBORS,
    Surrounding,
    num_neighbors,
)
from skylike.service.anomaly.nuisance import NAMES as NUISANCES
from skylike.service.anomaly.nuisance import Correlation
from skylike.service.anomaly.usual import Outstanding

__all__ = [
    "NUISANCES",
    "NUM_NEIGHBORS",
    "PARTS",
    "AnomalyFit",
    "Correlation",
    "Discoveries",
    "Fitted",
    "Judgement",
    "Outstanding",
    "Part",
    "Surrounding",
    "discoveries",
    "fit",
    "num_neighbors",
]
