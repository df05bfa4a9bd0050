"""The table's arithmetic: medians, pairs within a round, and what voids a figure."""

from bench.machine import Machine
from bench.measure import Sample
from bench.report import COLUMNS, faults, page
from bench.results import Figure, Run, Subject, Void, figure


def sample(
    peer: str, number: int, *, rate: int = 100, p50_us: float = 10.0, wrong: int = 0, example: str = ""
) -> Sample:
    return Sample(
        peer=peer,
        scenario="plain_64",
        round=number,
        requests=rate,
        seconds=1.0,
        cpu_us=5.0,
        p50_us=p50_us,
        p99_us=20.0,
        wrong=wrong,
        example=example,
    )


def measured(samples: list[Sample], peer: str) -> Figure:
    found = figure(samples, peer, "plain_64")
    assert isinstance(found, Figure)
    return found


def test_the_median_of_rounds_is_shown() -> None:
    samples = [sample("a", number, rate=rate) for number, rate in enumerate((100, 900, 300))]
    assert measured(samples, "a").rate == 300
    assert measured(samples, "a").spread == (900 - 100) / 300


def test_a_ratio_is_taken_within_each_round() -> None:
    # The machine slowed down in round 1 for both: the ratio of medians (2.5) would be wrong.
    rates = {"a": (200, 20, 500), "vllm-router": (100, 10, 80)}
    samples = [
        sample(peer, number, rate=rate) for peer, row in rates.items() for number, rate in enumerate(row)
    ]
    assert measured(samples, "a").ratio == 2.0
    assert measured(samples, "vllm-router").ratio == 1.0


def test_added_time_is_above_the_floor_of_the_same_round() -> None:
    samples = [sample("direct", 0, p50_us=10), sample("direct", 1, p50_us=50)]
    samples += [sample("a", 0, p50_us=15), sample("a", 1, p50_us=57)]
    assert measured(samples, "a").added_us == 6.0


def test_without_the_other_there_is_no_ratio() -> None:
    assert measured([sample("a", 0)], "a").ratio is None


def test_one_wrong_answer_voids_the_figure() -> None:
    samples = [sample("a", 0), sample("a", 1, wrong=1, example="500 oops"), sample("a", 2)]
    assert figure(samples, "a", "plain_64") == Void(wrong=1, example="500 oops")


def test_no_answer_at_all_voids_the_figure() -> None:
    assert figure([sample("a", 0, rate=0)], "a", "plain_64") == Void(wrong=0, example="no answer")


def test_wrong_answers_do_not_count_in_the_rate() -> None:
    assert sample("a", 0, rate=100, wrong=40).rate == 60


def test_the_page_names_the_machine_every_peer_and_every_fault() -> None:
    machine = Machine(
        at="2026-01-01 00:00 UTC",
        processor="a processor",
        cores=2,
        memory_gb=8,
        kernel="6.0",
        system="a system",
        python="3.11",
        load_average=3.0,
    )
    subjects = [
        Subject(name="a", does="routes", version="1.2", start_s=0.5, memory_bytes=7_000_000),
        Subject(name="b", does="nothing", unavailable="pip said no"),
        Subject(name="c", does="fails"),
    ]
    samples = [sample("a", 0), sample("c", 0, wrong=3, example="500 oops")]
    run = Run(
        machine=machine,
        settings={"rounds": 1, "seconds": 1},
        subjects=subjects,
        samples=samples,
        extras={"engine": {"tokens a second": 99.0, "held by": "the CPU"}},
    )
    text = page(run)
    assert "a processor" in text
    assert "Others were using the machine" in text
    assert "| a | - | - | 100 |" in text
    assert "| b | not measured |" in text
    assert faults(run) == [
        "b was not measured: pip said no",
        "c, plain_64: 3 wrong; the first: 500 oops",
    ]
    assert all(line in text for line in faults(run))
    assert " - tokens a second: 99\n - held by: the CPU" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {len(COLUMNS) + 2}
