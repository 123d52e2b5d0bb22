"""Which HDU to read: the one that is asked for, or the one that is the picture."""

from skylike.service.errors import BadCutout
from skylike.service.fits.header import printable
from skylike.service.fits.selector import Key
from skylike.service.fits.structure import Hdu, Structure

_SCIENCE = {"SCI", "DATA", "IMAGE", "FLUX"}
_COMPANIONS = {"ERR", "DQ", "WHT", "MASK", "VAR", "STAT", "IVAR", "UNCERT"}


def choose(structure: Structure, key: Key | None) -> tuple[Hdu, str]:
    """The HDU to read, and a sentence if others could have been meant as well.

    By default the first image named SCI, DATA, IMAGE or FLUX, else the first that is
    not named like an error, weight or mask; an image has two axes longer than 1.

    Raises
    ------
    BadCutout
        ``no_image``, ``bad_dimensions``, ``hdu_not_found``, ``hdu_not_image``, or the
        damage that hides the rest of the file.
    """
    candidates = _candidates(structure, key)
    if not candidates:
        raise structure.damage or _nothing(structure)
    chosen = candidates[0]
    if len(candidates) == 1:
        return chosen, ""
    others = ", ".join(hdu.label for hdu in candidates[1:6])
    return chosen, printable(
        f"HDU {chosen.label} is read; {others} could be meant as well"
    )


def _candidates(structure: Structure, key: Key | None) -> list[Hdu]:
    if key is not None:
        return _find(structure, key)
    images = [
        hdu
        for hdu in structure.hdus
        if hdu.is_image and 0 not in hdu.shape and sum(n > 1 for n in hdu.shape) >= 2
    ]
    science = [hdu for hdu in images if hdu.name.upper() in _SCIENCE]
    plain = [hdu for hdu in images if hdu.name.upper() not in _COMPANIONS]
    return science or plain


def _find(structure: Structure, key: Key) -> list[Hdu]:
    if key.number is not None:
        found = [hdu for hdu in structure.hdus if hdu.number == key.number]
    else:
        found = [
            hdu
            for hdu in structure.hdus
            if (hdu.name.upper() or ("PRIMARY" if hdu.number == 0 else "")) == key.name
            and key.version in (None, hdu.version)
        ]
    if not found:
        if structure.damage is not None:
            raise structure.damage
        names = ", ".join(hdu.label for hdu in structure.hdus)
        raise BadCutout(
            f"there is no HDU [{printable(str(key))}]; the file has: {printable(names)}",
            reason="hdu_not_found",
        )
    hdu = found[0]
    if not hdu.is_image:
        raise BadCutout(
            f"HDU [{printable(str(key))}] is a {hdu.kind}, not an image",
            reason="hdu_not_image",
        )
    if len(hdu.shape) < 2 or 0 in hdu.shape:
        raise BadCutout(
            f"HDU [{printable(str(key))}] has the shape {hdu.shape}; an image needs two "
            "axes",
            reason="bad_dimensions",
        )
    return found


def _nothing(structure: Structure) -> BadCutout:
    empty = [hdu for hdu in structure.hdus if hdu.is_image and 0 in hdu.shape]
    if empty:
        return BadCutout(
            f"the image has no pixels: its shape is {empty[0].shape}",
            reason="bad_dimensions",
        )
    kinds = ", ".join(
        f"{hdu.label} {hdu.kind} {hdu.shape or ''}".rstrip() for hdu in structure.hdus
    )
    return BadCutout(
        "no HDU holds an image with two axes longer than a pixel; there are: "
        f"{printable(kinds)}",
        reason="no_image",
    )
