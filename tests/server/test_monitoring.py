"""What Prometheus reads, and names of versions in paths."""

from __future__ import annotations

import pytest
import requests
from running_server import LIMITS, TEXT, predict, running

from mim_tf import serve
from mim_tf.server import listening
from mim_tf.server.application import application


@pytest.fixture(scope="module")
def url(model):
    with running(application(model, LIMITS, labels={"stable": "1"})) as url:
        yield url


def metrics(url: str) -> dict[str, float]:
    answer = requests.get(f"{url}/monitoring/prometheus/metrics")
    assert answer.ok and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_requests_are_counted_by_their_status(url):
    before = metrics(url)
    body = {"signature_name": "encode_text", "instances": [TEXT]}
    assert [predict(url, body).status_code for _ in range(2)] == [200, 200]
    assert predict(url, "{").status_code == 400
    after = metrics(url)

    def more(name: str) -> float:
        return after[name] - before.get(name, 0)

    count = ':tensorflow:serving:request_count{model_name="mim",status="%d"}'
    assert more(count % 200) == 2 and more(count % 400) == 1
    latency = ":tensorflow:serving:request_latency"
    assert more(latency + '_count{model_name="mim"}') == 3
    assert more(latency + '_bucket{model_name="mim",le="+Inf"}') == 3
    assert more(latency + '_sum{model_name="mim"}') > 0
    assert after[':mim_tf:serving:model_version{model_name="mim"}'] == 1
    assert after[':mim_tf:serving:pixels_in_flight{model_name="mim"}'] == 0
    assert after[':mim_tf:serving:body_bytes_in_flight{model_name="mim"}'] == 0


def test_a_label_names_a_version(url):
    status = requests.get(f"{url}/v1/models/mim/labels/stable").json()
    assert status["model_version_status"][0]["version"] == "1"
    unknown = requests.get(f"{url}/v1/models/mim/labels/canary")
    assert unknown.status_code == 404 and "label: canary" in unknown.json()["error"]


@pytest.mark.parametrize("label", ["stable", "=1", "a b=1", "stable=x"])
def test_a_wrong_label_is_one_line(tmp_path, capsys, label):
    assert serve.main(["--model", str(tmp_path), "--label", label]) == 1
    assert "expected NAME=VERSION" in capsys.readouterr().err


def test_a_port_that_is_none_is_one_line(tmp_path, capsys):
    assert serve.main(["--model", str(tmp_path), "--port", "99999"]) == 1
    assert capsys.readouterr().err == "error: --port 99999: give 0 to 65535\n"


def test_a_label_of_a_version_that_is_not_served_is_told_at_the_start(
    saved_model, capsys, monkeypatch
):
    monkeypatch.setattr(listening.uvicorn, "run", lambda *arguments, **options: None)
    labels = ["--label", "stable=1", "--label", "canary=2"]
    assert serve.main(["--model", str(saved_model), "--port", "0", *labels]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "--label" in line]
    assert told == ["--label canary=2: answered only while version 2 is served"]
