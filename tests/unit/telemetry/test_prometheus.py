"""The page that Prometheus reads."""

import pytest

from pilothouse.telemetry.prometheus import (
    Exemplar,
    Family,
    Histogram,
    Sample,
    render,
    render_openmetrics,
    wants_openmetrics,
)


def test_a_page() -> None:
    page = render(
        [
            Family(
                "a_total", "counter", "Calls.\nTwo \\ lines.", [Sample(3, {"model": 'q"\\\n'}), Sample(0.5)]
            ),
            Family("b", "gauge", "B.", [Sample(float("nan")), Sample(float("-inf")), Sample(1e300)]),
        ]
    )
    assert page == (
        "# HELP a_total Calls.\\nTwo \\\\ lines.\n# TYPE a_total counter\n"
        'a_total{model="q\\"\\\\\\n"} 3\na_total 0.5\n'
        "# HELP b B.\n# TYPE b gauge\nb NaN\nb -Inf\nb 1e+300\n"
    )


def test_histogram_buckets_are_cumulative_and_a_bound_counts_in() -> None:
    histogram = Histogram.of([0.1, 0.5, 0.7, 9.0], (0.5, 1.0), {"m": "x"})
    assert render([Family("h", "histogram", "H.", [histogram])]).splitlines()[2:] == [
        'h_bucket{m="x",le="0.5"} 2',
        'h_bucket{m="x",le="1"} 3',
        'h_bucket{m="x",le="+Inf"} 4',
        'h_sum{m="x"} 10.3',
        'h_count{m="x"} 4',
    ]


@pytest.mark.parametrize(
    "families",
    [
        [Family("no-name", "gauge", "", [])],
        [Family("a", "gauge", "", []), Family("a", "gauge", "", [])],
        [Family("a", "gauge", "", [Sample(1, {"not ok": "x"})])],
    ],
)
def test_wrong_names_are_refused(families: list[Family]) -> None:
    with pytest.raises(ValueError, match="name"):
        render(families)


def test_nothing_is_an_empty_page() -> None:
    assert render([]) == ""


def test_openmetrics_names_counters_without_total_and_shows_the_trace_of_a_bucket() -> None:
    example = Exemplar(0.7, 12.5, "ab" * 16)
    histogram = Histogram((0.5, 1.0), (1, 1, 0), 1.2, {"m": "x"}, (None, example, None))
    page = render_openmetrics(
        [Family("a_total", "counter", 'A "b".', [Sample(3)]), Family("h", "histogram", "H.", [histogram])]
    )
    assert page.splitlines() == [
        '# HELP a A \\"b\\".',
        "# TYPE a counter",
        "a_total 3",
        "# HELP h H.",
        "# TYPE h histogram",
        'h_bucket{m="x",le="0.5"} 1',
        f'h_bucket{{m="x",le="1.0"}} 2 # {{trace_id="{"ab" * 16}"}} 0.7 12.500',
        'h_bucket{m="x",le="+Inf"} 2',
        'h_sum{m="x"} 1.2',
        'h_count{m="x"} 2',
        "# EOF",
    ]
    assert "trace_id" not in render([Family("h", "histogram", "H.", [histogram])])


@pytest.mark.parametrize(
    ("accept", "is_wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text;version=1.0.0", True),
        ("application/openmetrics-text;version=0.0.1", False),
        (
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            ),
            True,
        ),
        ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.1", False),
        ("application/openmetrics-text;q=x", False),
    ],
)
def test_openmetrics_is_for_who_asks_for_it(accept: str, is_wanted: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert wants_openmetrics(accept) is is_wanted
