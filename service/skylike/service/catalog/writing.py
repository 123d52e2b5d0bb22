"""`Writing`: what a write promises, and what it is called."""

import re
from dataclasses import dataclass

from skylike.service.errors import BadRequest

_REQUEST_ID = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class Writing:
    """How to write.

    Attributes
    ----------
    request_id
        The caller's name for the write; empty for none. The last 10,000 are remembered.
    is_durable
        Whether it survives the loss of power when it returns. If not it survives the
        end of the process, and the loss of power as soon as a durable write follows.
    digest
        Of what was asked: another request of the same name is refused. Empty where
        nobody knows it, which is taken for the same.

    Raises
    ------
    BadRequest
        ``bad_request_id`` unless the name is 1 to 128 printable ASCII characters.
    """

    request_id: str = ""
    is_durable: bool = True
    digest: str = ""

    def __post_init__(self) -> None:
        if self.request_id and not _REQUEST_ID.fullmatch(self.request_id):
            raise BadRequest(
                "A request_id is 1 to 128 printable ASCII characters without blanks.",
                reason="bad_request_id",
            )


DURABLE = Writing()
