"""Files of a run as one piece of content, for a browser to save."""

import io
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from sparsekd.units.masking import Mask

ZIP_LIMIT = 300 * 2**20  # bytes of a model that a browser gets as one file


def mask_file(mask: Mask) -> bytes:
    """Return the content of the mask.npz that other programs read."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mask.npz"
        mask.save(path)
        return path.read_bytes()


def zipped(folder: Path) -> bytes:
    """Return a folder's files as one zip; weights do not compress, so they are stored."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder.parent))
    return content.getvalue()
