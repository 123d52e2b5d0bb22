"""Large images by name: a file, or several that are the bands of one image."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from skylike.service import fits
from skylike.service.errors import BadInput
from skylike.service.fits import Frame, Options
from skylike.service.fits.address import uris_of
from skylike.service.fits.selector import exists, locate

_BAND = re.compile(r"(?P<band>\w+)=(?P<file>.+)", re.DOTALL | re.ASCII)


@dataclass(frozen=True, slots=True)
class Mosaic:
    """A large image that can be opened.

    Attributes
    ----------
    name
        Of its first file, without what marks it as FITS.
    files
        Path or URL of each file, perhaps with a selector; by band if there are several.
    """

    name: str
    files: tuple[tuple[str, str], ...]

    @property
    def uri(self) -> str:
        """Where it lies, links followed, or the URL; of bands all, by name."""
        if len(self.files) == 1:
            return uris_of([self.files[0][1]])[0]
        bands, files = zip(*self.files, strict=True)
        pairs = zip(bands, uris_of(files), strict=True)
        return " ".join(f"{band}={uri}" for band, uri in pairs)

    def told(self, error: BadInput) -> str:
        """What is wrong, with the name of the image."""
        text = str(error)
        names = (self.uri, *(file for _, file in self.files))
        return text if text.startswith(names) else f"{self.uri}: {text}"

    @contextlib.contextmanager
    def opened(self, options: Options) -> Iterator[Frame]:
        """Open it.

        Raises
        ------
        BadCutout
            As `fits.opened` and `fits.together`.
        """
        with contextlib.ExitStack() as stack:
            frames = {
                band: stack.enter_context(fits.opened(file, options))
                for band, file in self.files
            }
            yield frames[""] if "" in frames else fits.together(frames)


def mosaics(sources: Sequence[str]) -> list[Mosaic]:
    """The large images that a command line names.

    Parameters
    ----------
    sources
        Paths and URLs, each an image; or all of them ``band=path``: one image.

    Raises
    ------
    BadInput
        ``bad_bands`` if only some are bands, or two have the same name.
    """
    matches = [None if _is_file(s) else _BAND.fullmatch(s) for s in sources]
    bands = [(match["band"], match["file"]) for match in matches if match]
    if not bands:
        return [Mosaic(_name(source), (("", source),)) for source in sources]
    if len(bands) < len(sources) or len({band for band, _ in bands}) < len(bands):
        raise BadInput(
            "give either images, or the bands of one image as g=FILE r=FILE, each band "
            "once",
            reason="bad_bands",
        )
    return [Mosaic(_name(bands[0][1]), tuple(bands))]


def _is_file(source: str) -> bool:
    """Whether there is a file of this name, or of what stands before a selector."""
    return exists(source) or exists(locate(source)[0])


def _name(source: str) -> str:
    path, bracket, _ = source.partition("[")
    whole = source if exists(source) else path if bracket else source
    return fits.stem(whole.rsplit("/", 1)[-1])
