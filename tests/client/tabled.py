"""Answers to make tables of, drawn by hand."""

from typing import Any

from skylike.client import (
    Analysis,
    Anomaly,
    Cluster,
    ClusterShare,
    Context,
    Hit,
    Neighbors,
    Object,
    Reading,
)

CONTEXT = Context("sky", 7, "ab" * 32)


def thing(number: int, **fields: Any) -> Object:
    """An object: even ones know no file, the third knows no place."""
    known = number % 2 == 1
    plain: dict[str, Any] = {
        "id": f"object-{number}",
        "ra_deg": None if number == 2 else 150.25 + number,
        "dec_deg": None if number == 2 else -2.5,
        "epoch_mjd": 60000.5 if known else None,
        "uri": "night/one.fits" if known else "",
        "hdu": "1 (SCI)" if known else "",
        "box": (10, 20, 74, 84) if known else (),
        "attributes": {
            "mag": 18.5 + number,
            "survey": "ours",
            "pixel_scale_arcsec": 0.5,
        },
        "flags": ("EDGE", "LOW_SN") if known else (),
        "valid_fraction": 0.75,
        "thumbnail_png": b"",
    }
    return Object(**plain | fields)


def near(*objects: Object) -> Neighbors:
    """Neighbours, in this order."""
    return Neighbors(CONTEXT, None, hits(*objects))


def hits(*objects: Object) -> tuple[Hit, ...]:
    """Hits, in this order; the first is at no known distance."""
    return tuple(
        Hit(i + 1, 0.9 - i / 10, i / 1000 if i else None, one)
        for i, one in enumerate(objects)
    )


def analysis(*objects: Object, fitted: bool = True) -> Analysis:
    """All three answers about an image of 30 arcseconds."""
    reading = Reading(
        *("1 (SCI)", "image", (1, 100, 150), 10.5, 20.5, 0.2, "Jy", ("EDGE",), 1.0, ())
    )
    share = ClusterShare(3, "rings", 0.75)
    return Analysis(
        CONTEXT,
        reading,
        hits(*objects),
        Cluster(3, "rings", 0.75, 20, ("object-1",), (share,), 5, False, 0.25)
        if fitted
        else None,
        Anomaly(1.5, 98.0, 0.02, True, 39, (), 6) if fitted else None,
    )
