"""The event loops that a pure test runs on: `make test` takes trio, `make test-all` both."""

from typing import Final

import pytest

SECOND_LOOP: Final = pytest.mark.second_loop
"""What is said on trio too."""

BOTH_LOOPS: Final = ("trio", pytest.param("asyncio", marks=SECOND_LOOP))
