"""What to do about a connection that came to nothing.

gRPC tells what happened below it, in words of its own, and not what to try. One
side with TLS and the other without is the commonest of these, and looks least like it.
"""

import re

_CUT = r"failed to connect.*(Socket closed|[Cc]onnection reset|recvmsg)"
# What gRPC says, whether it spoke TLS (None: either), and what to try.
_HINTS: tuple[tuple[str, bool | None, str], ...] = (
    (
        _CUT,
        False,
        "if the service wants TLS, say so: tls=Tls(ca=FILE), or --tls-ca FILE",
    ),
    (
        _CUT,
        True,
        "if the service asks for a certificate of yours, give one: tls=Tls(ca=FILE, "
        "certificate=FILE, key=FILE), or --tls-certificate and --tls-key",
    ),
    (
        r"WRONG_VERSION_NUMBER",
        True,
        "the service speaks no TLS at this port: ask without tls=, or --tls options",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED",
        True,
        "the service's certificate is signed by nobody who is believed: name its "
        "authority by tls=Tls(ca=FILE), or --tls-ca FILE",
    ),
    (
        r"Hostname Verification",
        True,
        "the service's certificate is for another name: ask it by a name that is in it",
    ),
    (
        r"http1|HTTP/1",
        None,
        "this is a port for HTTP: skylike asks at the service's `address`, which is "
        "another one than its `http_address`",
    ),
    (
        r"[Cc]onnection refused",
        None,
        "nothing listens there: is the service running, and is this its address?",
    ),
    (
        r"errors resolving",
        None,
        "the name of the host is not known: is it spelled right?",
    ),
)


def hint(details: str, is_tls: bool) -> str:
    """What is likely behind the failure of a connection; empty where nobody knows.

    Parameters
    ----------
    details
        What gRPC says of it.
    is_tls
        Whether TLS was spoken.
    """
    for pattern, tls, text in _HINTS:
        if tls in (None, is_tls) and re.search(pattern, details):
            return text
    return ""
