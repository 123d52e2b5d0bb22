"""What the explorer's pages may do: nothing but ask the service they came from."""

from typing import Final

_NEITHER = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ASKS = "connect-src 'self'; img-src 'self' blob: data:"

# Plotly makes functions from texts, and styles in the document.
_MAP = f"{_NEITHER}; {_ASKS}; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"
_OTHERS = (
    f"{_NEITHER}; {_ASKS}; script-src 'self'; style-src 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_NOTHING_OF_THE_MACHINE = ", ".join(
    f"{one}=()"
    for one in ("camera", "geolocation", "microphone", "payment", "serial", "usb")
)

PAGE: Final = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": _NOTHING_OF_THE_MACHINE,
}
FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
"""Of what has another address as soon as it is another."""


def content_security(view: str) -> str:
    """The policy of a view's page, such as ``"map"``; the first has no name."""
    return _MAP if view == "map" else _OTHERS
