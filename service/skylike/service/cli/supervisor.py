"""What a supervisor is told that started this process: systemd's sd_notify protocol."""

import os
import socket


def ready() -> None:
    """Tell that this process is ``READY=1``, if somebody asked for it.

    Raises
    ------
    OSError
        If who asked cannot be told.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # a name without a file
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
        to.sendto(b"READY=1", address)
