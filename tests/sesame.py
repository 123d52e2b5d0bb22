"""A name resolver on this machine, which answers as CDS's Sesame does."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TypeAlias
from urllib.parse import unquote

KNOWN = """# {name}    #Q2779348
#=Si=Simbad, all IDs (via url):    1    41ms
%@ 503952
%I.0 {name}
%C.0 LIN
%J {ra:.14f} {dec:+.14f} = 11:22:17.90 +59:04:28.2
%J.E [0.2819 0.3347 90] A 2020yCat.1350....0G
%P -1.821 -0.458 [0.343 0.402 90] A 2020yCat.1350....0G
%V v 1583 5.3E-03 [1] D 2016A&A...595A.118V
%#B 203

#====Done (2024-Feb-15,11:26:16z)====
"""
UNKNOWN = """# {name}    #Q2779349
#=S=Simbad (via url):    0    12ms
#!SIMBAD: No known catalog could be found
#=N=NED:    0    230ms
#=V=VizieR (local):    0     2ms

#====Done (2024-Feb-15,11:26:17z)====
"""

Answer: TypeAlias = Callable[[BaseHTTPRequestHandler], None]


def saying(text: str, status: int = 200, **headers: str) -> Answer:
    """An answer of this text."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        content = text.encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "text/plain")
        handler.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


@contextmanager
def resolving(
    places: Mapping[str, tuple[float, float]],
    others: Mapping[str, Answer] | None = None,
) -> Iterator[SimpleNamespace]:
    """Serve names and their places: ``url``, ``host``, and the paths that were ``asked``.

    `others` are answered otherwise than Sesame does.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            name = unquote(self.path.partition("?")[2])
            if name in places:
                ra, dec = places[name]
                saying(KNOWN.format(name=name, ra=ra, dec=dec))(self)
            elif others and name in others:
                others[name](self)
            else:
                saying(UNKNOWN.format(name=name))(self)

        def log_message(self, *_: object) -> None:
            """Nothing: tests look at `asked`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    host = f"127.0.0.1:{server.server_port}"
    try:
        yield SimpleNamespace(url=f"http://{host}/nph-sesame/", host=host, asked=asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
