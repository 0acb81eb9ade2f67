"""Which failures of many are reported."""

from actors.runtime.reports import Reports


def reported(reports: Reports, times: range) -> list[tuple[int, int]]:
    """When failures are reported, and how many each report stands for."""
    return [(now, failures) for now in times if (failures := reports.failed(now)) > 0]


def test_the_pauses_between_reports_grow_up_to_a_minute() -> None:
    found = reported(Reports(), range(-5, 300))
    assert [now for now, _ in found] == [-5, -4, -2, 2, 10, 26, 58, 118, 178, 238, 298]


def test_each_failure_is_counted_once() -> None:
    found = reported(Reports(), range(32))
    assert found == [(0, 1), (1, 1), (3, 2), (7, 4), (15, 8), (31, 16)]


def test_a_failure_after_a_success_is_reported_at_once() -> None:
    reports = Reports()
    reported(reports, range(30))
    reports.succeeded()
    assert reported(reports, range(30, 34)) == [(30, 1), (31, 1), (33, 2)]
