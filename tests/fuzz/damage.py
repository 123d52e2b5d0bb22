"""Damage FITS files in every way, and see that the reader never does worse than refuse.

``python damage.py --count 200000`` reads that many inputs in processes whose memory and
time are limited. The input numbered N of the seed S is always the same. What went
wrong is kept under ``build/fuzz`` and can be tried again with ``--replay FILE``.
"""

import argparse
import bz2
import contextlib
import gzip
import json
import lzma
import os
import random
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
KEPT = ROOT / "build" / "fuzz"
ZOO = ROOT.parent / "shared" / "data" / "fits"
LARGEST = 90_000  # bytes of a real file that is taken
CARD, BLOCK = 80, 2880
# A process that grew by this much is replaced: decoders that refuse a tile leak it.
GROWTH = 2**28

VALUES = [
    "0", "-1", "1", "2", "3", "7", "8", "16", "31", "32", "64", "255", "-32", "-64",
    "999", "1000", "4096", "32768", "65535", "65536", "16777216", "2147483647",
    "-2147483648", "4294967296", "9223372036854775807", "-9223372036854775809",
    "1" + "0" * 40, "9" * 69, "1E308", "1E999", "-1E-320", "1D5", "0.5", "-0.0", "NaN",
    "INF", "T", "F", "", "' '", "''", "'x", "'NaN     '", "(1, 2)", "1 / 0",
    "'\x00\x01\x7f'", "'" + "\xe9" * 60, "T" * 70, "= = =", "'&'", "&", "1_000",
    "\u0663",
]  # fmt: skip
TEXTS = [
    "'IMAGE   '", "'BINTABLE'", "'TABLE   '", "'A3DTABLE'", "'SCI     '", "'WHT     '",
    "'RICE_1  '", "'GZIP_1  '", "'GZIP_2  '", "'PLIO_1  '", "'HCOMPRESS_1'",
    "'NOCOMPRESS'", "'RICE_ONE'", "'BYTEPIX '", "'BLOCKSIZE'", "'SMOOTH  '",
    "'SUBTRACTIVE_DITHER_1'", "'SUBTRACTIVE_DITHER_2'", "'NO_DITHER'", "'NONE'",
    "'1PB(99) '", "'1PI(9)  '", "'1PJ     '", "'1QB(9)  '", "'PE(3)   '", "'2PB     '",
    "'1B      '", "'9A      '", "'1D      '", "'99999999999B'", "'PB(-1)  '",
    "'COMPRESSED_DATA'", "'GZIP_COMPRESSED_DATA'", "'UNCOMPRESSED_DATA'", "'ZSCALE'",
    "'ZZERO   '", "'ZBLANK  '", "'RA---TAN'", "'DEC--TAN'", "'GLON-CAR'", "'FREQ    '",
    "'STOKES  '", "'RA---SIP'", "'RA---TAN-SIP'", "'DEC--TPV'", "'ELAT-AIT'",
    "'DEC--HPX'", "'RA---COE'", "'DEC--NCP'", "'RA---TAB'", "'RA---TPD'", "'RA---ZPX'",
    "'DEC--TNX'", "'ICRS'", "'FK4'", "'FK5'", "'FK4-NO-E'", "'deg     '", "'arcsec  '",
    "'Hz      '", "'gri     '", "'12/31/99'", "'1.5 deg '",
]  # fmt: skip
# Cards on which something depends.
KEYWORDS = [
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "NAXIS3", "NAXIS4",
    "PCOUNT", "GCOUNT", "GROUPS", "EXTEND", "TFIELDS", "TFORM1", "TFORM2", "TFORM3",
    "TFORM4", "TTYPE1", "TTYPE2", "TTYPE3", "THEAP", "TDIM1", "TSCAL1", "TZERO1",
    "TNULL1", "ZIMAGE", "ZTENSION", "ZBITPIX", "ZNAXIS", "ZNAXIS1", "ZNAXIS2",
    "ZNAXIS3", "ZTILE1", "ZTILE2", "ZTILE3", "ZCMPTYPE", "ZNAME1", "ZVAL1", "ZNAME2",
    "ZVAL2", "ZQUANTIZ", "ZDITHER0", "ZBLANK", "ZSCALE", "ZZERO", "ZPCOUNT", "ZGCOUNT",
    "ZMASKCMP", "BSCALE", "BZERO", "BLANK", "EXTNAME", "EXTVER", "CHECKSUM", "DATASUM",
    "BANDS", "BAND0", "BAND1", "END", "CONTINUE", "CTYPE1", "CTYPE2", "CTYPE3",
    "CRVAL1", "CRVAL2", "CRVAL3", "CRPIX1", "CRPIX2", "CRPIX3", "CDELT1", "CDELT2",
    "CDELT3", "CUNIT1", "CUNIT2", "CUNIT3", "CROTA2", "CD1_1", "CD1_2", "CD2_1",
    "CD2_2", "PC1_1", "PC1_2", "PC2_1", "PC2_2", "WCSAXES", "PV1_1", "PV2_1", "PV2_3",
    "PS1_0", "LONPOLE", "LATPOLE", "RADESYS", "RADECSYS", "EQUINOX", "EPOCH", "A_ORDER",
    "B_ORDER", "A_2_0", "B_0_2", "AP_ORDER", "BP_ORDER", "PLTRAH", "PPO3", "AMDX1",
    "AMDY1", "CNPIX1", "XPIXELSZ", "BMAJ", "BMIN", "BPA", "SEEING", "BUNIT", "OBJECT",
    "DATE-OBS", "MJD-OBS", "RA", "DEC", "HISTORY",
]  # fmt: skip

Damage = Callable[[bytearray, random.Random], None]


def headers(data: bytes | bytearray) -> Iterator[list[int]]:
    """Where the cards of each header lie, as far as they can be found."""
    for start in range(0, len(data), BLOCK):
        is_whole = start + CARD <= len(data)
        if is_whole and data[start : start + 8] in (b"SIMPLE  ", b"XTENSION"):
            cards = []
            for at in range(start, len(data) - CARD + 1, CARD):
                cards.append(at)
                if data[at : at + 8] == b"END     ":
                    break
            yield cards


def flip(data: bytearray, chance: random.Random) -> None:
    """A few bits, anywhere."""
    for _ in range(chance.choice((1, 1, 2, 4, 16, 64))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def overwrite(data: bytearray, chance: random.Random) -> None:
    """A run of bytes: noise, one value, or a copy from elsewhere."""
    at = chance.randrange(len(data))
    length = min(chance.choice((1, 2, 4, 8, 80, 500, 5000)), len(data) - at)
    other = chance.randrange(len(data) - length + 1)
    data[at : at + length] = chance.choice(
        (
            chance.randbytes(length),
            bytes(length),
            b"\xff" * length,
            b"\x7f\xf8" * (length // 2) + b"\x80" * (length % 2),
            bytes(data[other : other + length]),
        )
    )


def cut(data: bytearray, chance: random.Random) -> None:
    """The end, or a part of the middle."""
    at = chance.randrange(len(data))
    if chance.random() < 0.3:
        at -= at % BLOCK
    end = len(data) if chance.random() < 0.6 else at + chance.choice((1, 80, BLOCK))
    del data[at:end]


def insert(data: bytearray, chance: random.Random) -> None:
    """Bytes where none should be."""
    at = chance.randrange(len(data) + 1)
    what = (b"\0", b" " * CARD, bytes(BLOCK), b" " * BLOCK, chance.randbytes(99))
    data[at:at] = chance.choice(what)


def heap(data: bytearray, chance: random.Random) -> None:
    """Bytes behind a header: pixels, descriptors of tiles, or tiles."""
    cards = chance.choice(list(headers(data)) or [[0]])
    start = -(-(cards[-1] + CARD) // BLOCK) * BLOCK
    length = len(data) - start
    if length <= 8:
        return
    for _ in range(chance.choice((1, 1, 3, 20))):
        at = start + chance.randrange(min(length, chance.choice((64, 400, length))) - 4)
        if chance.random() < 0.5:
            data[at] ^= 1 << chance.randrange(8)
        else:
            at -= (at - start) % 4
            number = chance.choice((0, 1, -1, 7, 2**31 - 1, -(2**31), 9999, 2**20))
            data[at : at + 4] = number.to_bytes(4, "big", signed=True)


def card(data: bytearray, chance: random.Random) -> None:
    """One card of a header, and most of all one on which something depends."""
    cards = chance.choice(list(headers(data)) or [[]])
    if not cards:
        return
    if chance.random() < 0.7:
        keyword = chance.choice(KEYWORDS)
        name = f"{keyword:8}".encode()
        found = [at for at in cards if data[at : at + 8] == name]
        at = found[0] if found else added(data, cards, chance)
    else:
        at = chance.choice(cards)
        name = bytes(data[at : at + 8])
        keyword = name.decode("latin-1").strip()
    data[at : at + CARD] = written(keyword, chance)


def added(data: bytearray, cards: list[int], chance: random.Random) -> int:
    """A place for a new card: before the end if there is room, else of another card."""
    end = cards[-1]
    if (end + CARD) % BLOCK and data[end : end + 8] == b"END     ":
        data[end + CARD : end + 2 * CARD] = data[end : end + CARD]
        return end
    return chance.choice(cards[1:] or cards)


def written(keyword: str, chance: random.Random) -> bytes:
    """A card with a value that is extreme, of another kind, or just another."""
    pick = chance.random()
    if pick < 0.45:
        value = chance.choice(VALUES)
    elif pick < 0.8:
        value = chance.choice(TEXTS)
    elif pick < 0.9:
        value = str(chance.randint(-3, 70))
    else:
        value = repr(chance.uniform(-1, 1) * 10.0 ** chance.randint(-30, 30))
    gap = "= " if chance.random() < 0.97 else chance.choice(("=", "  ", " =", "=\t"))
    text = f"{keyword:8}{gap}{value:>20}"
    return text.encode("latin-1", "replace")[:CARD].ljust(CARD)


def cards(data: bytearray, chance: random.Random) -> None:
    """Cards swapped, doubled, deleted, renamed; keywords swapped."""
    places = chance.choice(list(headers(data)) or [[]])[:-1]
    if len(places) < 4:
        return
    a, b = chance.sample(places[1:], 2)
    one, other = bytes(data[a : a + CARD]), bytes(data[b : b + CARD])
    kind = chance.randrange(6)
    if kind == 0:
        data[a : a + CARD], data[b : b + CARD] = other, one
    elif kind == 1:
        data[a : a + 8], data[b : b + 8] = other[:8], one[:8]
    elif kind == 2:
        data[a : a + CARD] = other
    elif kind == 3:
        data[a : a + CARD] = b" " * CARD
    elif kind == 4:
        data[a : a + 8] = f"{chance.choice(KEYWORDS):8}".encode()
    else:
        data[a : a + 8] = one[:8].swapcase()


def grow(data: bytearray, chance: random.Random) -> None:
    """Sizes that agree with each other and are large, of an image or of its tiles."""
    size = chance.choice((1, 2, 100, 4096, 8192, 2**16, 2**24, 2**31 - 1, 10**12))
    names = chance.choice(
        (
            ["NAXIS1"],
            ["NAXIS2"],
            ["NAXIS3"],
            ["NAXIS1", "NAXIS2"],
            ["ZNAXIS1", "ZTILE1"],
            ["ZNAXIS2", "ZTILE2"],
            ["ZNAXIS1", "ZTILE1", "ZNAXIS2", "ZTILE2"],
            ["ZNAXIS2", "NAXIS2"],
            ["PCOUNT", "THEAP"],
        )
    )
    for places in headers(data):
        for at in places:
            if data[at : at + 8].decode("latin-1").strip() in names:
                data[at + 10 : at + CARD] = f"{size:>20}".encode().ljust(70)
    if chance.random() < 0.3:
        data += bytes(chance.choice((BLOCK, 10 * BLOCK, 100_000)))


SINGLE: Sequence[Damage] = (
    [flip, overwrite, cut, insert] + [heap] * 4 + [card] * 8 + [cards] * 2 + [grow]
)


def splice(data: bytearray, other: bytes, chance: random.Random) -> bytearray:
    """The beginning of one file and the end of another, or one within the other."""
    at, start = chance.randrange(len(data) + 1), chance.randrange(len(other) + 1)
    if chance.random() < 0.7:
        at, start = at - at % BLOCK, start - start % BLOCK
    end = data[at:] if chance.random() < 0.3 else b""
    return data[:at] + other[start:] + end


def zipped(data: bytes) -> bytes:
    """A zip archive of one member that is not compressed."""
    check, size = (
        zlib.crc32(data).to_bytes(4, "little"),
        len(data).to_bytes(4, "little"),
    )
    common = b"\0\0\0\0\0\0\x21\0" + check + size + size + b"\1\0\0\0"
    local = b"PK\3\4\x14\0" + common + b"a" + data
    central = b"PK\1\2\x14\0\x14\0" + common + bytes(14) + b"a"
    tail = len(central).to_bytes(4, "little") + len(local).to_bytes(4, "little")
    return local + central + b"PK\5\6" + bytes(4) + b"\1\0\1\0" + tail + b"\0\0"


PACKERS: Sequence[Callable[[bytes], bytes]] = (
    lambda data: gzip.compress(data, 1, mtime=0),
    lambda data: gzip.compress(data, 1, mtime=0),
    lambda data: bz2.compress(data, 1),
    lambda data: lzma.compress(data, preset=0),
    zipped,
)


def damaged(corpus: Sequence[bytes], seed: int, number: int) -> bytes:
    """The input of a number: one to four damages to a file, packed or not."""
    chance = random.Random(f"{seed}/{number}")
    data = bytearray(chance.choice(corpus))
    kind = chance.random()
    if kind < 0.05:
        data = splice(data, chance.choice(corpus), chance)
    if kind > 0.96:
        data = bytearray(chance.choice(PACKERS)(bytes(data)))
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5))):
        if data:
            chance.choice(SINGLE)(data, chance)
    if 0.92 < kind < 0.97:
        data = bytearray(chance.choice(PACKERS)(bytes(data)))
    return bytes(data)


class Reader:
    """A process that reads inputs, replaced whenever it dies."""

    def __init__(self, memory: int, seconds: float) -> None:
        self._memory, self._seconds = memory, seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- closed with the reader
        self._space = 0
        self.starts = 0
        self.peak = 0
        self.slowest = 0.0

    def ask(self, data: bytes) -> dict[str, Any]:
        """The answer of ``reader.py`` to an input, or what became of it."""
        process = self._started()
        start = time.monotonic()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(len(data).to_bytes(8, "big") + data)
            process.stdin.flush()
        if not select.select([process.stdout], [], [], self._seconds)[0]:
            process.send_signal(signal.SIGUSR1)  # it tells where it is
            time.sleep(0.2)
            return self._lost(f"it takes over {self._seconds} s")
        line = process.stdout.readline()
        if not line:
            return self._lost(f"the process died of {process.wait()}")
        self.slowest = max(self.slowest, time.monotonic() - start)
        answer: dict[str, Any] = json.loads(line)
        self.peak = max(self.peak, answer["peak"])
        self._space = self._space or answer["space"]
        if answer["space"] > self._space + GROWTH:
            self.close()
        return answer

    def _lost(self, why: str) -> dict[str, Any]:
        """The answer for a process that gave none."""
        self._errors.seek(0)
        words = self._errors.read().decode("utf-8", "replace")
        self.close()
        return {"outcome": [], "trouble": [f"{why}\n{words}"]}

    def _started(self) -> Any:
        if self._process is None:
            self._errors.seek(0)
            self._errors.truncate()
            self._space = 0
            self.starts += 1
            single = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-IX", "faulthandler"),
                    *(HERE / "reader.py", str(self._memory)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=os.environ | single,
            )
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class Run:
    """Many inputs, shared by some readers."""

    def __init__(self, corpus: Sequence[bytes], arguments: argparse.Namespace) -> None:
        self._corpus, self._arguments = corpus, arguments
        self._lock = threading.Lock()
        self._next = arguments.first
        self._start = time.monotonic()
        self.outcomes: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.passed = self.failed = 0

    def work(self, reader: Reader) -> None:
        """Take inputs until there are none left."""
        while (number := self._take()) is not None:
            data = damaged(self._corpus, self._arguments.seed, number)
            answer = reader.ask(data)
            with self._lock:
                self._note(number, data, answer)
        reader.close()

    def _take(self) -> int | None:
        with self._lock:
            number: int = self._next
            if number >= self._arguments.first + self._arguments.count:
                return None
            self._next += 1
            return number

    def _note(self, number: int, data: bytes, answer: dict[str, Any]) -> None:
        self.outcomes.update(answer["outcome"])
        if trouble := answer["trouble"]:
            self.failed += 1
            kind = summary(trouble[0])
            self.kinds[kind] += 1
            if self.kinds[kind] <= 3:
                KEPT.mkdir(parents=True, exist_ok=True)
                path = KEPT / f"{self._arguments.seed}-{number}.fits"
                path.write_bytes(data)
                say(f"{path}:\n" + "\n".join(trouble))
        else:
            self.passed += 1
        done = self.passed + self.failed
        if done % 2000 == 0:
            rate = done / (time.monotonic() - self._start)
            say(f"{done} read, {rate:.0f}/s, {self.failed} failed")


def summary(trouble: str) -> str:
    """What is alike in troubles of one kind: what happened, and the deepest frame."""
    first, *lines = trouble.strip().splitlines()
    frames = re.findall(r'File "[^"]*?([^"/]+)", line (\d+)', trouble)
    if "most recent call first" in trouble:
        return " ".join([first, *(":".join(frame) for frame in frames[:2])])
    return " ".join([(lines or [first])[-1][:90], *(":".join(f) for f in frames[-1:])])


def say(text: str) -> None:
    """Tell people on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def collected() -> list[bytes]:
    """The files to damage: our own, and the small real ones where they are."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-I", str(HERE / "corpus.py"), folder]
        subprocess.run(command, check=True)
        paths = sorted(Path(folder).iterdir()) + sorted(ZOO.rglob("*"))
        return [
            path.read_bytes()
            for path in paths
            if path.is_file()
            and (path.is_relative_to(folder) or 0 < path.stat().st_size <= LARGEST)
        ]


def main() -> int:
    """Read the command line, and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many inputs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--memory-mib", type=int, default=2048)
    parser.add_argument("--seconds", type=float, default=10, help="for one input")
    parser.add_argument("--replay", type=Path, nargs="+", default=(), metavar="FILE")
    arguments = parser.parse_args()
    memory = arguments.memory_mib * 2**20
    if arguments.replay:
        reader = Reader(memory, arguments.seconds)
        answers = [reader.ask(path.read_bytes()) for path in arguments.replay]
        for path, answer in zip(arguments.replay, answers, strict=True):
            say("\n".join([f"{path}: {answer['outcome']}", *answer["trouble"]]))
        reader.close()
        return int(any(answer["trouble"] for answer in answers))
    run = Run(collected(), arguments)
    readers = [Reader(memory, arguments.seconds) for _ in range(arguments.workers)]
    with ThreadPoolExecutor(len(readers)) as pool:
        for _ in pool.map(run.work, readers):
            pass
    for outcome, count in run.outcomes.most_common():
        say(f"{count:>9} {outcome}")
    for kind, count in run.kinds.most_common():
        say(f"{count:>9} FAILED: {kind}")
    say(
        f"at most {max(r.peak for r in readers) >> 20} MiB resident and "
        f"{max(r.slowest for r in readers):.1f} s; "
        f"{sum(r.starts for r in readers)} processes"
    )
    sys.stdout.write(f"{run.passed} passed, {run.failed} failed\n")
    return int(run.failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
