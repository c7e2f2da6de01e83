"""Files that a browser saves are what was made."""

import io
import zipfile
from pathlib import Path

import numpy as np

from sparsekd.runs import downloads
from sparsekd.system.files import folder_size
from sparsekd.units.masking import Mask


def test_the_downloaded_mask_is_the_mask(tmp_path: Path):
    heads, neurons = np.array([[True, False]]), np.array([[False, True, True]])
    path = tmp_path / "mask.npz"
    path.write_bytes(downloads.mask_file(Mask(heads, neurons, {"lam": 0.9})))

    read = Mask.load(path)

    np.testing.assert_array_equal(read.heads, heads)
    np.testing.assert_array_equal(read.neurons, neurons)
    assert read.provenance == {"lam": 0.9}


def test_a_folder_is_measured_and_zipped_whole(tmp_path: Path):
    (tmp_path / "model" / "inner").mkdir(parents=True)
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "inner" / "weights").write_text("1234")

    content = zipfile.ZipFile(io.BytesIO(downloads.zipped(tmp_path / "model")))

    assert content.namelist() == ["model/config.json", "model/inner/weights"]
    assert content.read("model/inner/weights") == b"1234"
    assert folder_size(tmp_path / "model") == 6
