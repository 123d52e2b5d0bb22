"""Everything that can go wrong, as one tree that knows nothing of transports.

::

    SkylikeError
    ├── BadInput             what was sent cannot be used
    │   ├── BadCutout        the FITS file cannot be read as pixels
    │   ├── BadStamp         the pixels cannot become a stamp of the model's kind
    │   ├── BadRequest       the question itself is malformed
    │   └── TooLarge         it has more bytes than are read
    ├── BadModel             the model file is not one of ours
    ├── BadSettings          a setting is unknown or has no meaning
    ├── NotFound
    │   ├── UnknownCollection
    │   └── UnknownId
    ├── AlreadyExists        the id or name is taken
    │   └── AlreadyDone      a write of this request id was done before
    ├── ModelMismatch        vectors or stamps of another model
    ├── NotReady             the answer needs something not made yet
    ├── Closed               the service is stopping, or has closed what was asked for
    ├── Unauthenticated      no key, or none that counts
    ├── PermissionDenied     the key, or the path, allows less than was asked for
    ├── Overloaded           too much at once: later it would be answered
    │   └── TooManyRequests  one caller asks more often than it may
    ├── Unreachable          a service elsewhere that was needed does not answer, or wrongly
    ├── Cancelled            the caller has gone, or has asked to stop
    ├── DeadlineExceeded     the caller's deadline has passed
    ├── InUse                another process writes to the data directory
    ├── StorageFailed        the disk does not read or write
    │   └── NoSpace          the disk is full
    └── DamagedData          stored data fail their checks

Every error carries a ``reason``: a short stable code for machines. The message
is for people; it names what was received, what was expected, and the remedy.
"""


class SkylikeError(Exception):
    """Base of every error raised on purpose.

    Parameters
    ----------
    message
        One or two sentences for a person.
    reason
        Stable code in lower snake case; each class has a default.
    """

    reason = "internal"

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        if reason is not None:
            self.reason = reason


class BadInput(SkylikeError):
    """What was sent cannot be used; sending it again will not help."""

    reason = "bad_input"


class BadCutout(BadInput):
    """The FITS file cannot be read as pixels."""

    reason = "not_fits"
    is_named = False
    """Whether the message names the file."""


class BadStamp(BadInput):
    """The pixels cannot become a stamp of the kind the model wants."""

    reason = "bad_stamp"


class BadRequest(BadInput):
    """The question itself is malformed."""

    reason = "bad_request"


class TooLarge(BadInput):
    """What was sent has more bytes than are read."""

    reason = "too_large"


class BadModel(SkylikeError):
    """The model file is missing, damaged or not one of ours."""

    reason = "bad_model"


class BadSettings(SkylikeError):
    """A setting is unknown or has no meaning."""

    reason = "bad_settings"


class NotFound(SkylikeError):
    """Something named does not exist."""

    reason = "not_found"


class UnknownCollection(NotFound):
    """No collection has this name."""

    reason = "unknown_collection"


class UnknownId(NotFound):
    """No object of the collection has this id."""

    reason = "unknown_id"


class AlreadyExists(SkylikeError):
    """The id or name is taken."""

    reason = "already_exists"


class AlreadyDone(AlreadyExists):
    """A write of this request id was done before; it was not done again."""

    reason = "already_done"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        version: int = 0,
        num_objects: int = 0,
    ) -> None:
        super().__init__(message, reason=reason)
        self.version = version
        self.num_objects = num_objects


class ModelMismatch(SkylikeError):
    """Vectors or stamps belong to another model."""

    reason = "model_mismatch"


class NotReady(SkylikeError):
    """The answer needs something that has not been made yet."""

    reason = "not_ready"


class Closed(SkylikeError):
    """What was asked for is closed, as all is when the service stops: ask the next one."""

    reason = "closed"


class Unauthenticated(SkylikeError):
    """The caller did not say who it is, or not credibly."""

    reason = "unauthenticated"


class PermissionDenied(SkylikeError):
    """The caller is known, and may not do this."""

    reason = "permission_denied"


class Overloaded(SkylikeError):
    """Too much was asked at once; the same question is answered later.

    Parameters
    ----------
    message
        One or two sentences for a person.
    retry_seconds
        When to ask again, from now.
    reason
        Stable code in lower snake case; each class has a default.
    """

    reason = "overloaded"

    def __init__(
        self, message: str, *, retry_seconds: float = 1.0, reason: str | None = None
    ) -> None:
        super().__init__(message, reason=reason)
        self.retry_seconds = retry_seconds


class TooManyRequests(Overloaded):
    """One caller asks more often than it may; others are answered."""

    reason = "too_many_requests"


class Unreachable(SkylikeError):
    """A service elsewhere that was needed does not answer, or not as it should."""

    reason = "unreachable"


class Cancelled(SkylikeError):
    """The caller has gone, or has asked to stop; what was not done yet is left."""

    reason = "cancelled"


class DeadlineExceeded(SkylikeError):
    """The caller's deadline has passed; what was not done yet for it is left."""

    reason = "deadline_exceeded"


class InUse(SkylikeError):
    """Another process writes to the data directory."""

    reason = "in_use"


class StorageFailed(SkylikeError):
    """The disk does not read or write; what was asked for left nothing behind."""

    reason = "storage_failed"


class NoSpace(StorageFailed):
    """The disk is full; what was asked for left nothing behind."""

    reason = "no_space"


class DamagedData(SkylikeError):
    """Stored data fail their checks."""

    reason = "damaged_data"
