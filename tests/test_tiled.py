"""TIFF files in tiles, written from bands."""

from errno import ENOSPC

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from impasto.errors import OutputError
from impasto.images import Picture, read, tiled
from impasto.images.atomic import AtomicFile, parts_of
from impasto.images.banded import Banded
from impasto.images.encode import write_levels
from impasto.images.record import Embedded
from impasto.images.tiled import write_tiled


def levels(height, width, channels=3, kind=np.uint8):
    generator = np.random.default_rng(0)
    return generator.integers(0, np.iinfo(kind).max + 1, (height, width, channels), kind)


@settings(max_examples=15)
@given(
    height=st.integers(1, 600),
    width=st.integers(1, 600),
    channels=st.sampled_from([3, 4]),
    kind=st.sampled_from([np.uint8, np.uint16]),
    band=st.integers(1, 300),
)
def test_a_file_in_tiles_is_read_as_one_that_was_written_whole(
    tmp_path_factory, height, width, channels, kind, band
):
    whole = levels(height, width, channels, kind)
    file = tmp_path_factory.mktemp("tiles") / "a.tif"
    bands = (whole[first : first + band] for first in range(0, height, band))
    write_tiled(file, bands, whole.shape, np.dtype(kind), Embedded("a record"))
    write_levels(whole, file.with_name("b.tif"), Embedded("a record"))
    ours, theirs = read(file), read(file.with_name("b.tif"))
    assert np.array_equal(ours.levels(16), theirs.levels(16))
    assert ours.record == theirs.record == "a record"
    assert not [*file.parent.glob(".*")]


def test_smaller_copies_are_means(tmp_path, monkeypatch):
    monkeypatch.setattr(tiled, "_SMALLEST", 100)
    whole, file = levels(301, 433), tmp_path / "a.tif"
    bands = (whole[first : first + 7] for first in range(0, 301, 7))
    write_tiled(file, bands, whole.shape, np.dtype(np.uint8), Embedded())
    with tifffile.TiffFile(file) as tiff:
        shapes = [level.shape for level in tiff.series[0].levels]
        half = tiff.series[0].levels[1].asarray()
        assert not tiff.is_bigtiff
    assert shapes == [(301, 433, 3), (150, 216, 3), (75, 108, 3), (37, 54, 3)]
    means = whole[:300, :432].reshape(150, 2, 216, 2, 3).mean((1, 3))
    assert abs(half - means).max() <= 0.5
    with Image.open(file) as seen:
        assert np.array_equal(np.asarray(seen), whole)


def test_above_four_gigabytes_offsets_are_longer(tmp_path, monkeypatch):
    monkeypatch.setattr(tiled, "_CLASSIC", 1000)
    whole, file = levels(20, 30), tmp_path / "a.tif"
    write_tiled(file, [whole], whole.shape, np.dtype(np.uint8), Embedded())
    with tifffile.TiffFile(file) as tiff:
        assert tiff.is_bigtiff
    assert np.array_equal(read(file).levels(8), whole)


def test_a_picture_of_which_rows_are_missing_is_not_written(tmp_path):
    band = Picture.of_levels(levels(10, 20))
    with pytest.raises(OutputError, match="only 10 of 11 rows"):
        Banded((20, 11), iter([band])).save(tmp_path / "a.tif")
    assert not [*tmp_path.iterdir()]


def test_a_full_disk_is_one_error_and_nothing_stays(tmp_path, monkeypatch):
    def full(_number, _first, size):
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(tiled, "_SMALLEST", 4)
    monkeypatch.setattr("impasto.images.tiled.os.posix_fallocate", full)
    band = Picture.of_levels(levels(10, 20))
    with pytest.raises(OutputError, match="No space left on device"):
        Banded((20, 10), iter([band])).save(tmp_path / "a.tif")
    assert not [*tmp_path.iterdir()]


def test_without_a_call_that_reserves_room_zeros_do(tmp_path, monkeypatch):
    monkeypatch.delattr("impasto.images.tiled.os.posix_fallocate")
    monkeypatch.setattr(tiled, "_PIECE", 7)
    assert not tiled._on_disk(tmp_path / "a", (3, 5, 3), np.dtype(np.uint16)).any()
    assert (tmp_path / "a").stat().st_size == 3 * 5 * 3 * 2


def test_copies_wait_where_they_go_with_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tiled, "_SMALLEST", 4)
    draft, seen = AtomicFile(tmp_path / "a.tif"), []

    def bands():
        seen.extend(path.name for path in parts_of(draft.file).iterdir())
        yield levels(10, 20)

    write_tiled(draft.file, bands(), (10, 20, 3), np.dtype(np.uint8), Embedded())
    assert sorted(seen) == ["0", "1", "2"]
    draft.publish()
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
