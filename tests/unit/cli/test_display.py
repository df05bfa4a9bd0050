"""How numbers are shown: units that read well, and a dash for what is not known."""

import pytest

from pilothouse.cli import display


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (display.duration(None), "-"),
        (display.duration(0.4), "0.4 ms"),
        (display.duration(999.94), "999.9 ms"),
        (display.duration(1500), "1.50 s"),
        (display.dollars(None), "unpriced"),
        (display.dollars(0.0), "$0"),
        (display.dollars(0.00123), "$0.00123"),
        (display.dollars(2.5), "$2.5"),
        (display.size(None), "-"),
        (display.size(512), "512 B"),
        (display.size(98_362_432), "93.8 MiB"),
        (display.size(5 * 1024**4), "5120.0 GiB"),
        (display.count(None), "-"),
        (display.count(1234567), "1,234,567"),
        (display.clock(None), "-"),
        (display.clock(0), "1970-01-01 00:00:00"),
        (display.value([]), "-"),
        (display.value(["a", 1]), "a, 1"),
        (display.value(0), "0"),
    ],
)
def test_a_value_reads_well(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize(
    ("outcome", "colour"),
    [
        ("completed", "green"),
        ("refused", "yellow"),
        ("cancelled", "yellow"),
        ("failed", "red"),
        ("cut", "red"),
    ],
)
def test_an_outcome_has_its_colour(outcome: str, colour: str) -> None:
    assert display.status(200, outcome).style == colour
