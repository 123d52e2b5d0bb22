"""How far a long question is, as a bar or as numbers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Progress = bool | Callable[[int, int | None], Any]


@contextmanager
def shown(progress: Progress, total: int | None) -> Iterator[Callable[[], None]]:
    """Show how far something is; gives what is called when one more is done.

    Raises
    ------
    ModuleNotFoundError
        If a bar is wanted and tqdm is missing.
    """
    if callable(progress):
        yield _counting(progress, total)
    elif progress:
        with _bar(total) as bar:
            yield bar.update
    else:
        yield lambda: None


def _counting(
    tell: Callable[[int, int | None], Any], total: int | None
) -> Callable[[], None]:
    done = 0

    def one_more() -> None:
        nonlocal done
        done += 1
        tell(done, total)

    return one_more


def _bar(total: int | None) -> Any:
    try:
        from tqdm.auto import tqdm  # noqa: PLC0415 - only who wants a bar needs it
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "a progress bar needs tqdm: pip install 'skylike[progress]', or give "
            "progress a function"
        ) from error
    return tqdm(total=total, unit=" queries")
