"""What a key has to have, by the name of the method that it is for.

A method that is not known needs the most, so that one that is added is safe until
somebody says otherwise.
"""

import functools
import re

from skylike.service.keys import Scope

_RULES: tuple[tuple[str, Scope | None], ...] = (
    # Whoever watches over a service asks these; they tell whether a name is there.
    (r"/grpc\.health\.v1\.Health/(Check|Watch)", None),
    (r"/grpc\.health\.v1\.Health/List", Scope.READ),
    (r"/grpc\.reflection\.(v1|v1alpha)\.ServerReflection/.*", Scope.READ),
    (r"/skylike\.v1\.SearchService/.*", Scope.READ),
    (r"/skylike\.v1\.\w+/(Get|List|Count|Scroll|Watch)[A-Z]\w*", Scope.READ),
    # What changes objects; what changes collections, names and jobs needs more.
    (
        r"/skylike\.v1\.CatalogService/((Add|Delete)Objects|Set(Attributes|Labels)|RenameCluster)",
        Scope.WRITE,
    ),
    (r"/skylike\.v1\.TeachingService/RateObjects", Scope.WRITE),
)


@functools.lru_cache(maxsize=256)  # each call asks
def needed(method: str) -> Scope | None:
    """What a key has to have for a method such as ``/package.Service/Method``.

    None where no key is needed.
    """
    for pattern, scope in _RULES:
        if re.fullmatch(pattern, method):
            return scope
    return Scope.ADMIN
