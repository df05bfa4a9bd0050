"""Another server's page of metrics is read as ours, and what is not metrics is left out."""

from pilothouse.telemetry.exposition import read_families
from pilothouse.telemetry.prometheus import Family, Histogram, render, render_openmetrics

PAGE = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a \\"b\\" \\\\ c"} 3.0
# HELP vllm:kv_cache_usage_perc KV-cache usage.
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0"} 0.25
# HELP vllm:prompt_tokens_total Tokens.
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0"} 100.0
# HELP vllm:time_to_first_token_seconds Histogram.
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1"} 1.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf"} 2.0
vllm:time_to_first_token_seconds_count{engine="0"} 2.0
vllm:time_to_first_token_seconds_sum{engine="0"} 1.5
vllm:no_type 1
vllm:num_requests_running{engine="1"} what
python_gc_objects_collected_total{generation="0"} 9
"""


def read(page: str, most: int = 100) -> list[Family]:
    return read_families(page, prefix="vllm:", labels={"deployment": "d"}, most_samples=most)


def test_a_page_of_vllms_is_passed_on_with_our_label() -> None:
    text = render(read(PAGE))
    assert 'vllm:num_requests_running{engine="0",model_name="a \\"b\\" \\\\ c",deployment="d"} 3\n' in text
    assert 'vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",deployment="d"} 1\n' in text
    assert 'vllm:time_to_first_token_seconds_sum{engine="0",deployment="d"} 1.5\n' in text
    assert "python_gc" not in text
    assert "no_type" not in text
    assert "# TYPE vllm:prompt_tokens counter\nvllm:prompt_tokens_total{" in render_openmetrics(read(PAGE))


def test_a_page_that_has_no_end_is_cut() -> None:
    many = "# TYPE vllm:x gauge\n" + "".join(f'vllm:x{{a="{number}"}} 1\n' for number in range(1000))
    (family,) = read(many, most=10)
    assert len(family.samples) == 10


def test_what_is_no_page_is_none() -> None:
    assert read("<html>vllm:</html>\nvllm:{ 3\n\0") == []
    assert not any(isinstance(sample, Histogram) for family in read(PAGE) for sample in family.samples)
