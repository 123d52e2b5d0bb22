"""Tables to TOPCAT, and to whoever else listens on this machine, by SAMP.

References
----------
IVOA Recommendation, Simple Application Messaging Protocol 1.3: the message
``table.load.votable``.
"""

import tempfile
from pathlib import Path

from pyvo import samp

from skylike.client.errors import BadInput
from skylike.client.tables import votable
from skylike.client.tables.table import Table

_LOAD = "table.load.votable"
_SECONDS = 60  # for a receiver to read the table


def send(table: Table, name: str) -> list[str]:
    """Send a table to every application that takes one.

    Returns
    -------
    list of str
        The names of those that have taken it.

    Raises
    ------
    BadInput
        ``no_hub`` if no hub runs; ``no_receiver`` if nobody takes the table.
    """
    content = votable.content(table)
    with samp.conf.set_temp("use_internet", False):
        about = {"samp.name": "skylike", "samp.description.text": "Similarity search"}
        client = samp.SAMPIntegratedClient(metadata=about, callable=False)
        try:
            client.connect()
        except samp.SAMPHubError as error:
            raise BadInput(
                "no SAMP hub runs on this machine: start TOPCAT, which brings one, first",
                reason="no_hub",
            ) from error
        try:
            with tempfile.TemporaryDirectory(prefix="skylike-") as folder:
                path = Path(folder, "table.vot")
                path.write_bytes(content)
                taken = _sent(client, path, name)
        finally:
            client.disconnect()
    if not taken:
        raise BadInput(
            "nobody has taken the table: start TOPCAT, or another application that loads "
            "VOTables by SAMP",
            reason="no_receiver",
        )
    return taken


def _sent(client: samp.SAMPIntegratedClient, path: Path, name: str) -> list[str]:
    params = {"url": path.as_uri(), "table-id": f"skylike-{name}", "name": name}
    message = {"samp.mtype": _LOAD, "samp.params": params}
    taken = []
    for id in client.get_subscribed_clients(_LOAD):
        try:
            answer = client.call_and_wait(id, message, str(_SECONDS))
        except samp.SAMPProxyError:  # it has gone, or takes too long
            continue
        if answer["samp.status"] == "samp.ok":
            about = client.get_metadata(id)
            taken.append(str(about.get("samp.name", id)))
    return taken
