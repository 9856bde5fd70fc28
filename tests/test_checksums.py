"""SHA-256 of files and of pixel values."""

import hashlib

import pytest
import torch

from impasto.images.checksums import file_checksum, values_checksum


def test_file_larger_than_one_read(tmp_path):
    path, content = tmp_path / "large", bytes(range(256)) * 5000
    path.write_bytes(content)
    assert file_checksum(path) == hashlib.sha256(content).hexdigest()
    assert file_checksum(str(path), "md5") == hashlib.md5(content).hexdigest()


def test_values_and_not_how_they_lie_in_memory():
    values = torch.arange(12.0).reshape(3, 4)
    turned = values.T.contiguous().T
    assert turned.stride() != values.stride()
    assert values_checksum(turned) == values_checksum(values)


@pytest.mark.parametrize(
    "others",
    [
        (torch.arange(12.0).reshape(4, 3),),
        (torch.arange(12.0, dtype=torch.float64).reshape(3, 4),),
        (torch.arange(1, 13.0).reshape(3, 4),),
        (torch.arange(12.0).reshape(3, 4), None),
        (torch.arange(12.0).reshape(3, 4), torch.zeros(1)),
        (torch.arange(12.0)[:6].reshape(3, 2), torch.arange(6, 12.0)),
    ],
    ids=["shape", "type", "value", "none beside", "zeros beside", "two parts"],
)
def test_what_differs_has_another_checksum(others):
    assert values_checksum(*others) != values_checksum(torch.arange(12.0).reshape(3, 4))


def test_every_type_of_number_and_every_value_has_its_own():
    types = (torch.bool, torch.uint8, torch.float16, torch.bfloat16, torch.float64)
    values = [torch.full((2,), value, dtype=dtype) for dtype in types for value in (0, 1)]
    values += [torch.tensor(1.0), torch.ones(1)]
    assert len({values_checksum(each) for each in values}) == len(values)
    assert [values_checksum(each.clone()) for each in values] == [*map(values_checksum, values)]
