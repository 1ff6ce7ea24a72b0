"""Confidence in words."""

from __future__ import annotations

import pytest

from molgen.scoring.bands import band


@pytest.mark.parametrize(
    "confidence, word",
    [(1.0, "likely right"), (0.8, "likely right"), (0.79, "uncertain"), (0.5, "uncertain"),
     (0.49, "likely wrong"), (0.0, "likely wrong")],
)  # fmt: skip
def test_bands(confidence, word):
    assert band(confidence) == word
    assert band(confidence, valid=False) == "not valid"
