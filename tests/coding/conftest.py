"""A codec that most tests here use."""

from __future__ import annotations

import pytest
from tiny_codecs import tiny

from hvae.coding import Codec


@pytest.fixture
def codec() -> Codec:
    return tiny()
