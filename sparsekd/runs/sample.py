"""The sample study, which ships with this program: a store that is read and never added to."""

import hashlib
import json
import os
import time
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from sparsekd.runs import store
from sparsekd.system.files import disk_error

ARCHIVE = Path(__file__).parents[1] / "sample.zip"
OFF = "off"
"""SPARSEKD_SAMPLE=off: the dashboard opens empty."""
WRITTEN = 1_577_836_800  # the time of every file, so that cached responses stay valid


@dataclass(frozen=True)
class SampleFacts:
    """When and on what the sample was made: seconds, versions, the machine, its runs."""

    made: float
    version: str
    torch: str
    machine: str
    runs: int

    def in_words(self) -> str:
        """Return the facts as a sentence."""
        when = time.strftime("%d %B %Y", time.gmtime(self.made))
        return (
            f"{self.runs} runs, made on {when} with SparseKD {self.version} "
            f"and torch {self.torch} on {self.machine}"
        )


def is_there() -> bool:
    """Return whether a sample ships with this program and is wanted."""
    return ARCHIVE.exists() and os.environ.get("SPARSEKD_SAMPLE", "") != OFF


def unpack() -> Path:
    """Return the folder of the sample's store within one's own; it is unpacked where it is not.

    Raises:
        Unavailable: the folder cannot be written.
    """
    stat = ARCHIVE.stat()
    folder = store.own_home() / "sample" / _digest(ARCHIVE, stat.st_mtime_ns)
    if not folder.exists():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            beside = Path(mkdtemp(dir=folder.parent))
            unpack_to(ARCHIVE, beside)
            try:
                beside.rename(folder)
            except OSError:  # another visitor's request was first
                rmtree(beside)
                if not folder.exists():
                    raise
        except OSError as error:
            raise disk_error(folder, error) from error
    return folder


@lru_cache(maxsize=2)
def _digest(archive: Path, changed: int) -> str:
    """Return a name for the content of an archive that was changed at this time."""
    return hashlib.sha256(archive.read_bytes()).hexdigest()[:12]


def unpack_to(archive: Path, folder: Path) -> None:
    """Unpack an archive of the sample; every file has the same time on every machine."""
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (WRITTEN, WRITTEN))


def facts(folder: Path) -> SampleFacts:
    """Return when and on what the unpacked sample was made."""
    return SampleFacts(**json.loads((folder / store.SAMPLE_FACTS).read_text(encoding="utf-8")))
