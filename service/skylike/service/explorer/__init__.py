"""The explorer: pages about the archive for a browser, made ready to be sent."""

from skylike.service.explorer.explorer import Explorer
from skylike.service.explorer.file import File

__all__ = ["Explorer", "File"]
