import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.outputs.openigtlink.crc64 import crc64
from tests.realtime.outputs.openigtlink.peer import slow_crc


def test_the_standard_check_word():
    assert crc64(b"123456789") == 0x6C40DF5F0B497347  # CRC-64/ECMA-182, catalogue of check words


@given(st.binary(max_size=300))
def test_it_is_the_remainder_bit_by_bit(content):
    assert crc64(content) == slow_crc(content)


@pytest.mark.parametrize("n_bytes", [0, 1, 8, 63, 64, 65, 4096, 4097, 20_011])
def test_whatever_the_length(n_bytes):
    content = np.random.default_rng(n_bytes).bytes(n_bytes)
    assert crc64(content) == slow_crc(content)


def test_one_changed_bit_of_a_picture_shows():
    content = bytearray(np.random.default_rng(1).bytes(72 + 4 * 128 * 128))
    before = crc64(bytes(content))
    content[40_000] ^= 1
    assert crc64(bytes(content)) != before
