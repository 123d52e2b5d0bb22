"""`Explorer`: which file is sent under which address."""

import hashlib
import importlib.util
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from string import Template

from skylike.service.explorer.file import File
from skylike.service.explorer.policy import FOR_EVER, PAGE, content_security

VIEWS = (
    *("", "similar", "object", "map", "clusters", "anomalies"),
    *("jobs", "status", "about"),
)
"""The pages, by the last part of their address; the first is that of the service."""

_FOLDER = "/explorer/"
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Explorer:
    """The pages and all that they load, each under its address.

    Files have the digest of all in their addresses, so that a page never meets those of
    another version. Addresses in the pages are relative: a proxy may put them anywhere.

    Parameters
    ----------
    grpc_address
        Where programs ask: what a page tells whoever wants to go on in Python.
    resolver_host
        Who resolves names, as a page tells; empty if nobody, and no page offers it.
    """

    def __init__(self, grpc_address: str, resolver_host: str) -> None:
        sources = dict(_below(resources.files(__package__) / "pages"))
        page = sources.pop("index.html").decode()
        library = _plotly()
        digest = hashlib.sha256(library.mark.encode())
        for name, content in sorted(sources.items()):
            digest.update(name.encode() + b"\0" + content + b"\0")
        folder = f"{_FOLDER}{digest.hexdigest()[:16]}/"
        plotly = f"{_FOLDER}plotly-{library.mark}.js"
        self._files = {plotly: library}
        for name, content in sources.items():
            kind = _KINDS[PurePosixPath(name).suffix]
            self._files[folder + name] = File(content, kind, FOR_EVER)
        for view in VIEWS:
            text = Template(page).substitute(
                folder=folder.removeprefix("/"),
                plotly=plotly.removeprefix("/"),
                grpc_address=grpc_address,
                resolver_host=resolver_host,
            )
            headers = {**PAGE, "Content-Security-Policy": content_security(view)}
            self._files[f"/{view}"] = File(
                text.encode(), "text/html; charset=utf-8", headers
            )

    @property
    def addresses(self) -> list[str]:
        """Of all files, as paths."""
        return list(self._files)

    def __getitem__(self, address: str) -> File:
        return self._files[address]


def _below(folder: Traversable, before: str = "") -> list[tuple[str, bytes]]:
    found = []
    for one in folder.iterdir():
        if one.is_dir():
            found += _below(one, f"{before}{one.name}/")
        else:
            found.append((before + one.name, one.read_bytes()))
    return found


def _plotly() -> File:
    """Plotly's own file from its installed package, which is not loaded."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("plotly is missing: install skylike[service]")
    path = Path(spec.origin).parent / "package_data" / "plotly.min.js"
    return File(path.read_bytes(), _KINDS[".js"], FOR_EVER)
