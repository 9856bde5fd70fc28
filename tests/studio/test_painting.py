"""Jobs painted by a real painter, over HTTP: whatever is done to it, nothing is lost."""

import os
import signal
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from impasto.apps.studio.continuing import Begun, continued
from impasto.apps.studio.sitting import pause_between
from impasto.run.provenance import show_record
from impasto.settings import Settings
from support.children import finished
from support.studio import LONG, QUICK, Listener, jpeg, studio_in, studio_process


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    with studio_in(tmp_path_factory.mktemp("jobs")) as found:
        yield found


@pytest.fixture(scope="module")
def pictures(studio):
    _, client = studio
    return client.upload(0), client.upload(1.0)


@pytest.fixture(scope="module")
def whole(studio, pictures):
    """An uninterrupted job, and its pixels."""
    _, client = studio
    job = client.start(*pictures)
    client.rested(job)
    return job, client.pixels(job)


def test_the_server_does_not_import_torch():
    probe = (
        "import impasto.apps.studio.studio, impasto.apps.studio.routes_jobs, sys;"
        "sys.exit('torch' in sys.modules)"
    )
    assert finished([sys.executable, "-c", probe]).returncode == 0


def test_a_job_is_painted_to_its_end(studio, whole):
    _, client = studio
    job = client.job(whole[0])
    assert (job["state"], job["done"], job["total"]) == ("done", 7, 7)
    assert (job["size"], job["canvas"], job["stages"]) == ([48, 38], [48, 38], 2)
    assert job["result"]["width"] == 48
    assert job["result"]["bytes"] > 1000
    assert whole[1].dtype == np.uint16
    assert whole[1].shape == (38, 48, 3)
    assert (job["error"], job["remaining"], job["position"]) == (None, None, None)
    assert job["title"].startswith("picture")


def test_its_files(studio, whole):
    _, client = studio
    job, _ = whole
    http = client.http
    got = http.get(f"/api/jobs/{job}/preview?size=300")
    assert jpeg(got.content) == (48, 38)
    again = http.get(f"/api/jobs/{job}/preview", headers={"if-none-match": got.headers["etag"]})
    assert again.status_code == 304
    losses = http.get(f"/api/jobs/{job}/losses").json()
    assert [line[:2] for line in losses] == [
        *([n, 24] for n in range(5)),
        *([n, 48] for n in range(4, 8)),
    ]
    assert http.get(f"/api/jobs/{job}/result?format=jpeg").headers["content-type"] == "image/jpeg"
    assert http.get(f"/api/jobs/{job}/result?format=exe").status_code == 422


@pytest.mark.parametrize(
    ("name", "kind", "libraries"),
    [("report", "text/html", ["jinja2", "matplotlib"]), ("timelapse", "video/mp4", ["av"])],
)
def test_its_report_and_film(name, kind, libraries, studio, whole):
    _, client = studio
    there = all(map(find_spec, libraries))
    assert client.job(whole[0])["outputs"][name] == there
    answer = client.http.get(f"/api/jobs/{whole[0]}/{name}")
    assert answer.status_code == (200 if there else 404)
    assert not there or answer.headers["content-type"].startswith(kind)


def test_its_record_names_pictures_as_they_were_uploaded(studio, whole, tmp_path):
    _, client = studio
    result = tmp_path / "result.png"
    result.write_bytes(client.http.get(f"/api/jobs/{whole[0]}/result").content)
    record, request = show_record(result), client.job(whole[0])["request"]
    names = {p["id"]: p["name"] for p in client.http.get("/api/pictures").json()}
    assert record["content"]["name"] == names[request["content"]]
    assert record["style"]["name"] == names[request["styles"][0]]


def test_a_result_becomes_an_input(studio, whole):
    _, client = studio
    facts = client.tell(whole[0], "picture")
    assert (facts["width"], facts["record"]) == (48, True)
    assert client.http.get(f"/api/pictures/{facts['id']}/record").status_code == 200


def test_its_pictures_cannot_be_removed(studio, whole, pictures):
    _, client = studio
    assert client.http.delete(f"/api/pictures/{pictures[0]}").status_code == 409


def paused(client, job):
    """The job, resting."""
    assert client.tell(job, "pause")["state"] == "paused"
    return client.rested(job, "paused")


def resumed(client, job, done):
    """Let a resting job go beyond so many iterations."""
    assert client.tell(job, "resume")["state"] in ("queued", "painting")
    client.until(job, lambda j: j["done"] > done)


def ends_like_another(client, job, pictures, scale=1):
    """A job without end is given one, and makes the picture of a job which had it all along."""
    iterations = [3, 3]
    iterations[scale] = paused(client, job)["done"] + 20
    client.tell(job, "adjust", settings={"iterations": iterations})
    ended = client.rested(job)
    other = client.start(*pictures, {**LONG, "iterations": iterations})
    assert client.rested(other)["done"] == ended["done"] == sum(iterations)
    return np.array_equal(client.pixels(job), client.pixels(other))


@pytest.mark.parametrize("scale", [0, 1])
def test_paused_and_resumed_it_is_the_same_picture(scale, studio, pictures):
    _, client = studio
    iterations = [3, 3]
    iterations[scale] = 100_000
    job = client.start(*pictures, {**LONG, "iterations": iterations})
    client.until(job, lambda j: j["stage"] == scale and j["iteration"] > 1)
    resumed(client, job, paused(client, job)["done"])
    assert ends_like_another(client, job, pictures, scale)


def test_stopped_it_keeps_its_picture_and_can_have_more(studio, pictures):
    _, client = studio
    job = client.start(*pictures, LONG)
    client.until(job, lambda j: j["stage"] == 1 and j["iteration"] > 1)
    assert client.tell(job, "stop")["state"] == "stopped"
    stopped = client.rested(job, "stopped")
    assert stopped["result"]
    assert client.pixels(job).shape == (38, 48, 3)
    assert client.tell(job, "more", iterations=5)["state"] in ("queued", "painting")
    client.until(job, lambda j: j["state"] == "painting" and j["total"] == 100_008)
    client.tell(job, "discard")
    assert client.http.get(f"/api/jobs/{job}").status_code == 404


def test_more_iterations_are_as_if_they_had_been_planned(studio, pictures):
    _, client = studio
    job = client.start(*pictures)
    client.rested(job)
    client.tell(job, "more", iterations=3)
    client.until(job, lambda j: j["total"] == 10)
    assert client.rested(job)["done"] == 10
    other = client.start(*pictures, {**QUICK, "iterations": [4, 6]})
    client.rested(other)
    assert np.array_equal(client.pixels(job), client.pixels(other))


def test_a_changed_slider_goes_on_from_the_canvas(studio, pictures):
    _, client = studio
    job = client.start(*pictures, LONG)
    before = client.until(job, lambda j: j["stage"] == 1 and j["iteration"] > 1)
    changed = client.tell(job, "adjust", settings={"iterations": [3, 8], "content_weight": 50.0})
    assert changed["state"] == "painting"
    assert changed["changes"] == 1
    assert changed["request"]["settings"]["content_weight"] == 50.0
    after = client.rested(job)
    assert after["stages"] == 1  # of the last scale alone
    assert 1 <= after["done"] <= 8
    assert after["seconds"] > before["seconds"]
    lines = client.http.get(f"/api/jobs/{job}/losses").json()
    assert [line[0] for line in lines] == sorted(line[0] for line in lines)
    assert lines[-1][0] > before["done"]


def test_what_is_only_shown_differently_is_not_painted_again(studio, pictures):
    _, client = studio
    job = client.start(*pictures)
    client.rested(job)
    plain = client.pixels(job)
    client.tell(job, "adjust", settings={"finish": "grain", "finish_strength": 1.0})
    done = client.rested(job)
    assert (done["done"], done["total"]) == (7, 7)
    grained = client.pixels(job)
    assert not np.array_equal(plain, grained)
    other = client.start(*pictures, {**QUICK, "finish": "grain", "finish_strength": 1.0})
    client.rested(other)
    assert np.array_equal(grained, client.pixels(other))


def test_fewer_and_more_iterations_keep_the_optimiser(studio, pictures):
    _, client = studio
    job = client.start(*pictures)
    client.rested(job)
    client.tell(job, "adjust", settings={"iterations": [4, 6]})
    assert client.rested(job)["done"] == 10
    other = client.start(*pictures, {**QUICK, "iterations": [4, 6]})
    client.rested(other)
    assert np.array_equal(client.pixels(job), client.pixels(other))


def test_a_job_starts_from_anothers_canvas_at_another_size(studio, whole, pictures):
    _, client = studio
    larger = {**QUICK, "size": 96, "scales": [0.25, 0.5, 1], "iterations": [5, 4, 3]}
    job = client.start(*pictures, larger, start=whole[0])
    done = client.rested(job)
    own = Settings.of("standard", **larger)
    assert done["total"] == sum(continued(own, (96, 77), Begun((48, 38))).iterations)
    assert done["stages"] == 2
    assert client.pixels(job).shape[:2] == (77, 96)
    assert done["parent"] == whole[0]


def test_a_job_whose_parent_has_no_picture_says_so(studio, pictures):
    _, client = studio
    waiting = client.start(*pictures, LONG)
    queued = client.start(*pictures)
    client.tell(queued, "pause")
    job = client.start(*pictures, start=queued)
    client.tell(waiting, "discard")
    assert "no picture yet" in client.rested(job, "failed")["error"]


def test_settings_that_do_not_fit_are_refused_at_once(studio, whole):
    _, client = studio
    for settings in (
        {"colour_method": "histogram"},
        {"style_layers": "relu9_9"},
        {"device": "cpu"},
    ):
        assert "error" in client.tell(whole[0], "adjust", settings=settings)
    assert client.job(whole[0])["state"] == "done"


def test_a_killed_painter_interrupts_its_job_alone(studio, pictures, whole):
    parts, client = studio
    first = client.start(*pictures, {**QUICK, "iterations": [4, 20_000]})
    second = client.start(*pictures)
    client.until(first, lambda j: j["iteration"] > 1)
    os.kill(parts.painter.pid, signal.SIGKILL)
    assert client.rested(second)["state"] == "done"
    assert np.array_equal(client.pixels(second), whole[1])
    assert client.job(first)["state"] == "interrupted"
    stopped = client.tell(first, "stop")
    assert (stopped["state"], stopped["settling"]) == ("stopped", True)
    client.rested(first, "stopped")
    client.tell(first, "discard")


@pytest.mark.parametrize(
    ("took", "viewers", "seconds"), [(0, 0, 0.4), (0, 1, 0.4), (0.1, 1, 5), (0, 50, 1.25)]
)
def test_previews_are_rarer_when_they_cost_more(took, viewers, seconds):
    assert pause_between(took, viewers) == seconds


def test_previews_are_made_for_who_looks(studio, pictures):
    parts, client = studio
    job = client.start(*pictures, LONG)
    client.until(job, lambda j: j["preview"] >= 1)
    page = Listener(str(client.http.base_url))
    page.until(lambda kind, data: kind == "step" and data["preview"] > 1)
    client.http.get(f"/api/jobs/{job}/preview?size=900")
    watch = parts.workshop._watch
    assert watch.side >= 900
    assert watch.viewers >= 1
    client.tell(job, "discard")
    page.until(lambda kind, data: kind == "gone" and data["id"] == job)
    assert page.events[0][1] == "hello"


def test_who_comes_back_is_told_what_was_missed(studio, pictures):
    _, client = studio
    page = Listener(str(client.http.base_url))
    job = client.start(*pictures)
    seen = page.until(lambda kind, data: kind == "job" and data["state"] == "done")
    place = next(n for n, (_, kind, data) in enumerate(seen) if kind == "job" and data["id"] == job)
    again = Listener(str(client.http.base_url), last=seen[place][0])
    told = again.until(lambda kind, data: kind == "job" and data["state"] == "done")
    assert told[0][1] != "hello"
    assert all(kind != "hello" for _, kind, _ in told)
    unknown = Listener(str(client.http.base_url), last="ffffffff-7")
    assert unknown.until(lambda kind, _: kind == "hello")[0][1] == "hello"


def weighed(iterations):
    return {"content_weight": 7.0, "iterations": [4, iterations]}


@pytest.mark.parametrize("changed", [False, True])
def test_a_killed_server_loses_nothing(changed, tmp_path, whole):
    """After kill -9 the job is interrupted, and goes on from its checkpoint to the same picture."""
    folder = tmp_path / "jobs"
    with studio_process(folder) as (process, client):
        pictures = client.upload(0), client.upload(1.0)
        job = client.start(*pictures, QUICK if changed else LONG)
        if changed:
            client.rested(job)
            client.tell(job, "adjust", settings=weighed(90_000))
        waiting = client.start(*pictures)
        places = folder / "jobs" / job
        saved = "2.checkpoint" if changed else "0.checkpoint"  # run 1 is a sketch
        client.until(job, lambda _: (places / saved).exists())
        process.send_signal(signal.SIGKILL)
        process.wait()
    with studio_process(folder) as (_, client):
        assert client.job(job)["state"] == "interrupted"
        assert np.array_equal(client.pixels(client.rested(waiting)["id"]), whole[1])
        lines = client.http.get(f"/api/jobs/{job}/losses").json()
        enough = 5 * lines[-1][0] if changed else lines[-1][0] + 20
        settings = weighed(enough) if changed else {"iterations": [3, enough]}
        client.tell(job, "adjust", settings=settings)
        ended = client.rested(job)
        other = client.start(*pictures, QUICK if changed else {**LONG, **settings})
        if changed:
            client.rested(other)
            client.tell(other, "adjust", settings=settings)
        assert client.rested(other)["done"] == ended["done"]
        assert np.array_equal(client.pixels(job), client.pixels(other))


def test_after_ctrl_c_a_job_goes_on_bit_for_bit(tmp_path):
    folder = tmp_path / "jobs"
    with studio_in(folder) as (_, client):
        pictures = client.upload(0), client.upload(1.0)
        job = client.start(*pictures, LONG)
        client.until(job, lambda j: j["iteration"] > 1)
    with studio_in(folder) as (_, client):
        found = client.job(job)
        assert found["state"] == "interrupted"
        assert found["done"] > 0
        resumed(client, job, found["done"])
        assert ends_like_another(client, job, pictures)
