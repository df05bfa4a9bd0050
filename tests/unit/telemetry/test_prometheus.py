"""The page that Prometheus reads."""

import pytest

from pilothouse.telemetry.prometheus import Family, Histogram, Sample, render


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
