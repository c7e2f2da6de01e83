"""Masks kept by content, and masks that somebody brings."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import masks
from sparsekd.units.masking import Mask


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    return tmp_path


def sample(share: float = 0.5) -> Mask:
    rng = np.random.default_rng(0)
    return Mask(rng.random((2, 3)) < share, rng.random((2, 5)) < share, {"lam": 0.5})


def test_a_kept_mask_comes_back_with_its_provenance() -> None:
    found = masks.load(masks.save(sample()))
    np.testing.assert_array_equal(found.heads, sample().heads)
    np.testing.assert_array_equal(found.neurons, sample().neurons)
    assert found.provenance == {"lam": 0.5}


def test_the_name_follows_the_units_and_nothing_else() -> None:
    same = Mask(sample().heads, sample().neurons, {"lam": 0.1})
    assert masks.reference(same) == masks.reference(sample())
    assert masks.reference(sample(0.9)) != masks.reference(sample())
    flat = Mask(np.ones((1, 6), bool), np.ones((1, 10), bool))
    assert masks.reference(flat) != masks.reference(Mask.full((2, 3, 5)))


def test_a_mask_whose_file_is_gone_is_told() -> None:
    with pytest.raises(NotFound, match="mask:00"):
        masks.load("mask:00")


def test_a_brought_mask_is_read_and_its_upload_forgotten(tmp_path: Path) -> None:
    sample().save(tmp_path / "mask.npz")
    found = masks.from_upload((tmp_path / "mask.npz").read_bytes())
    np.testing.assert_array_equal(found.heads, sample().heads)
    assert list((tmp_path / "masks").iterdir()) == []


def npz(**arrays: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no archive", "no npz"),
        (npz(heads=np.ones((2, 3), bool)), "neurons"),
        (npz(heads=np.ones((2, 3)), neurons=np.ones((2, 5))), "float64"),
        (npz(heads=np.zeros((1, 2**26), bool), neurons=np.ones((1, 5), bool)), "64 MiB"),
    ],
    ids=["text", "half", "numbers", "bomb"],
)
def test_what_is_no_mask_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        masks.from_upload(content)


def test_pickles_in_an_upload_are_not_run(tmp_path: Path) -> None:
    content = io.BytesIO()
    np.savez(content, heads=np.array([print], dtype=object), neurons=np.ones((1, 5), bool))
    assert zipfile.is_zipfile(io.BytesIO(content.getvalue()))
    with pytest.raises(BadInput):
        masks.from_upload(content.getvalue())


def test_a_header_that_declares_more_than_there_is_takes_no_memory() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in ("heads", "neurons"):
            array = io.BytesIO()
            header = {"descr": "|b1", "fortran_order": False, "shape": (10**7, 10**7)}
            np.lib.format.write_array_header_1_0(array, header)
            archive.writestr(f"{name}.npy", array.getvalue() + b"\0" * 64)

    with pytest.raises(BadInput, match="is no npz file, or is cut short"):
        masks.from_upload(content.getvalue())
