"""The share: files at a URL of any file system of fsspec that every machine reaches."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from sparsekd.errors import BadInput, Unavailable

MARK = "sparsekd-share"
MARK_TEXT = "All files are here. Written by SparseKD for its workers on several machines.\n"
# File systems on which renaming is atomic and writing is not.
RENAMING = {"file", "local", "sftp", "ssh", "smb", "hdfs", "webhdfs"}


class Share:
    """Files by name below one URL; each is complete or absent."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self.files, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise BadInput(
                f"The shared folder {url} cannot be used: {error}",
                "Set SPARSEKD_SHARE to a folder, or to a URL whose fsspec package is installed.",
            ) from error
        self.root = root.rstrip("/")
        kinds = self.files.protocol
        self.renames = bool(RENAMING & set([kinds] if isinstance(kinds, str) else kinds))

    def open(self) -> None:
        """Make and mark the folder, so that an unmounted disk is not taken for an empty share."""
        with self.errors():
            self.files.makedirs(self.root, exist_ok=True)
        if not self.has(MARK):
            self.mark(MARK)

    def mark(self, name: str) -> None:
        """Write a small file, whose presence is a mark."""
        with self.errors():
            self.files.pipe_file(self._at(name), MARK_TEXT.encode())

    def check(self) -> None:
        """Check that the share is there.

        Raises:
            Unavailable: it is not.
        """
        if not self.has(MARK):
            with self.errors():
                raise FileNotFoundError(errno.ENOENT, "it is gone")

    def has(self, name: str) -> bool:
        """Return whether a file is there."""
        with self.errors():
            self.files.invalidate_cache()  # another machine may have written it
            return bool(self.files.exists(self._at(name)))

    def names(self, folder: str) -> list[str]:
        """Return the names of the files below a folder; none where it does not exist."""
        with self.errors():
            self.files.invalidate_cache()
            found = self.files.find(self._at(folder))
            start = len(self._at(folder)) + 1
        parts = (path[start:] for path in found)
        return [part for part in parts if not part.rsplit("/", 1)[-1].startswith(".")]

    def put(self, source: Path, name: str) -> int:
        """Copy a file to the share, and return its bytes."""
        self.check()
        place = self._at(name)
        with self.errors():
            if self.renames:
                folder, _, last = place.rpartition("/")
                beside = f"{folder}/.{os.getpid()}.{last}"
                self.files.makedirs(folder, exist_ok=True)
                self.files.put_file(str(source), beside)
                self.files.mv(beside, place)
            else:
                self.files.put_file(str(source), place)
        return source.stat().st_size

    def fetch(self, name: str, target: Path) -> int:
        """Copy a file from the share, and return its bytes."""
        beside = target.with_name(f".{os.getpid()}.{target.name}")
        with self.errors():
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self.files.get_file(self._at(name), str(beside))
                beside.replace(target)
            finally:
                beside.unlink(missing_ok=True)
        return target.stat().st_size

    def part(self, name: str, start: int, end: int) -> bytes:
        """Return some bytes of a file."""
        with self.errors():
            found: bytes = self.files.cat_file(self._at(name), start=start, end=end)
            return found

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        if self.has(name):
            with self.errors():
                self.files.rm_file(self._at(name))

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise errors of the file system as Unavailable."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            raise Unavailable(
                f"The shared folder {self.url} cannot be used: {reason}.",
                "Bring it back, then resume the run: it goes on from its last checkpoint.",
            ) from error

    def _at(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.url,)
