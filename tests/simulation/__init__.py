"""A simulated homeserver, and runs over it that replay exactly."""

import pytest

pytest.register_assert_rewrite("tests.simulation.contract")
