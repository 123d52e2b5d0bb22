"""A look at a file, or at the file that an object was made from."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from skylike.service import fits, stamp
from skylike.service.catalog.sky_object import NO_FLAGS
from skylike.service.collection import Collection, SkyObject
from skylike.service.engine.keeping import Keeping, context_of
from skylike.service.engine.resolve import nearest_on_sky
from skylike.service.engine.types import Context, IdQuery, Query, SkyQuery
from skylike.service.errors import (
    BadCutout,
    BadRequest,
    BadStamp,
    PermissionDenied,
)
from skylike.service.fits import Box, Frame, selector
from skylike.service.fits.facts import Fact, facts
from skylike.service.fits.structure import Hdu
from skylike.service.flags import Flag
from skylike.service.picture import LARGEST_SIDE, Picture, Stretch, glimpsed, look, seen
from skylike.service.roots import allowed
from skylike.service.stamp import StampSpec
from skylike.service.uploads import CutoutQuery, Reading

_WHOLE = 0.9  # of the pixels hold data, or a flag is set


@dataclass(frozen=True, slots=True)
class View:
    """How something is looked at; see `skylike.v1.InspectRequest`."""

    stretch: Stretch = Stretch.ASINH
    plane: int | None = None
    side: int = 256
    decorations: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """What is seen; all but `png` and `warnings` is empty where no file could be read.

    Attributes
    ----------
    png
        The picture, or an object's thumbnail.
    chosen
        Numbers of the HDUs that are shown.
    planes
        How many the third axis has.
    warnings
        Why there is only a thumbnail.
    """

    context: Context
    png: bytes
    hdus: tuple[Hdu, ...] = ()
    chosen: frozenset[int] = frozenset()
    reading: Reading | None = None
    facts: tuple[Fact, ...] = ()
    picture: Picture | None = None
    planes: int = 0
    warnings: tuple[str, ...] = ()


class Looking(Keeping):
    """Shows what files hold; compares nothing."""

    def look(
        self,
        collection: str,
        query: Query,
        view: View | None = None,
        roots: Sequence[Path] = (),
    ) -> Looked:
        """A picture of a cutout or an object, and what headers say.

        Parameters
        ----------
        collection
            Whose model would read it, or that holds it.
        query
            A cutout, or an object by id or place.
        view
            How to look.
        roots
            Folders whose files are read; of what an object was made from elsewhere its
            thumbnail is shown, with a warning.

        Raises
        ------
        BadCutout
            If the cutout cannot be read.
        BadRequest
            ``bad_side`` or ``bad_plane``; ``empty_query`` for examples and vectors.
        """
        view = view or View()
        if not 1 <= view.side <= LARGEST_SIDE:
            raise BadRequest(
                f"side is {view.side}; a picture has between 1 and {LARGEST_SIDE} pixels",
                reason="bad_side",
            )
        with self._archive(collection) as archive:
            context = context_of(archive)
            spec = self.library.encoder_of(archive).spec
            if isinstance(query, CutoutQuery):
                options = fits.Options(
                    query.hdu, query.axis_kind, query.stokes, limits=self._limits
                )
                with _naming(query.name):
                    return _looked(context, query.fits, options, None, spec, view)
            one = _object(query, archive)
            try:
                if not one.uri:
                    raise BadCutout("nobody knows where it came from", reason="no_uri")
                hdu = selector.of_label(one.hdu) if one.hdu else None
                options = fits.Options(hdu, limits=self._limits)
                place = allowed(one.uri, roots)
                box = Box(*one.box) if one.box else None
                return _looked(context, place, options, box, spec, view)
            except (BadCutout, PermissionDenied) as error:
                why = f"the thumbnail is shown, since the file is not read: {error}"
                return Looked(context, one.thumbnail, warnings=(why,))


def _object(query: Query, archive: Collection) -> SkyObject:
    if isinstance(query, SkyQuery):
        query = IdQuery(nearest_on_sky(query, archive).id)
    if not isinstance(query, IdQuery):
        raise BadRequest(
            "only a file, or an object by its id or place, can be looked at",
            reason="empty_query",
        )
    return archive.get(query.id)


@contextlib.contextmanager
def _naming(name: str | None) -> Iterator[None]:
    try:
        yield
    except BadCutout as error:
        if not name:
            raise
        raise BadCutout(f"{name}: {error}", reason=error.reason) from error


def _looked(
    context: Context,
    source: fits.Source,
    options: fits.Options,
    box: Box | None,
    spec: StampSpec,
    view: View,
) -> Looked:
    with _opened(source, options) as frame:
        frame.box = box or frame.box
        planes = frame.shape[0]
        if view.plane is not None and view.plane >= planes:
            raise BadRequest(
                f"plane is {view.plane}; the image has {planes}, counted from 0",
                reason="bad_plane",
            )
        reading, picture = _seen(frame, options.limits, spec, view)
        hdus = frame.structure.hdus if frame.structure else ()
        headers = [hdu.header for hdu in (frame.parts[0].hdu, *hdus[:1])]
        return Looked(
            context,
            picture.png,
            hdus,
            frozenset(part.hdu.number for part in frame.parts),
            reading,
            facts(headers),
            picture,
            planes,
        )


@contextlib.contextmanager
def _opened(source: fits.Source, options: fits.Options) -> Iterator[Frame]:
    """As `fits.opened`; where there is no picture, a line or a single pixel will do."""
    with contextlib.ExitStack() as opening:
        try:
            frame = opening.enter_context(fits.opened(source, options))
        except BadCutout as error:
            if error.reason != "no_image":
                raise
            numbers = [
                str(hdu.number)
                for hdu in fits.contents(source, options).hdus
                if hdu.is_image and len(hdu.shape) > 1 and 0 not in hdu.shape
            ]
            if not numbers:
                raise
            options = dataclasses.replace(options, hdu=numbers[0])
            frame = opening.enter_context(fits.opened(source, options))
        yield frame


def _seen(
    frame: Frame, limits: fits.Limits, spec: StampSpec, view: View
) -> tuple[Reading, Picture]:
    """The picture, and how a question about the same would be read."""
    made = None
    notes: tuple[str, ...] = ()
    if frame.shape[0] * frame.box.nx * frame.box.ny <= limits.pixels:
        about = frame.read()
        pixels, step = seen(about, view.plane), 1.0
        try:
            made = stamp.make(about, spec)
        except BadStamp as error:
            notes = (f"it cannot be asked about: {error}",)
    else:
        about = frame.outline()
        pixels, step = glimpsed(frame, view.plane, view.side)
        notes = (
            f"more than {limits.pixels} pixels: not all were looked at, and it cannot be "
            "asked about as a whole",
        )
    picture = look(
        about, pixels, step, view.side, view.stretch, decorations=view.decorations
    )
    valid_fraction = picture.valid_fraction if made is None else made.valid_fraction
    reading = Reading(
        hdu=about.hdu,
        axes=about.axes,
        shape=(frame.shape[0], frame.box.ny, frame.box.nx),
        position=about.position,
        pixel_scale_arcsec=about.pixel_scale_arcsec,
        unit=about.unit,
        flags=_flags(about, picture) if made is None else made.flags,
        valid_fraction=valid_fraction,
        warnings=about.warnings + notes,
    )
    return reading, picture


def _flags(about: fits.Image, picture: Picture) -> Flag:
    """What is plainly poor about something of which there is no stamp."""
    flags = Flag.CONSTANT if picture.is_flat and picture.valid_fraction else NO_FLAGS
    if picture.valid_fraction < _WHOLE:
        flags |= Flag.EDGE if about.edge_fraction > 1 - _WHOLE else Flag.MASKED
    return flags
