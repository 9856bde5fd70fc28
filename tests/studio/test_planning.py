"""Plans are those of a run, and a run tells how long its stages took."""

import pytest

from impasto.apps.studio import planning
from impasto.errors import ImageTooLarge, SettingsError
from impasto.run import Run
from impasto.settings import Settings
from support.pictures import smooth_picture

SETTINGS = {"encoder": "tiny", "size": 40, "scales": [0.5, 1.0], "iterations": [5, 4]}


def run_of(**settings):
    pictures = smooth_picture(60, 50), smooth_picture(44, 36, phase=1.0)
    return Run(*pictures, Settings.of(**{**SETTINGS, **settings}))


def test_a_plan_is_that_of_a_run():
    run = run_of()
    for _ in run:
        pass
    plan = planning.plan("standard", SETTINGS, (60, 50), [(44, 36)])
    assert tuple(plan["size"]) == run.inputs.size
    assert [tuple(stage["size"]) for stage in plan["stages"]] == [p.size for p in run.state.plans]
    assert [stage["iterations"] for stage in plan["stages"]] == [5, 4]
    assert plan["machine"] == planning.machine(run.settings, run.hardware)


def test_pictures_of_a_plan_take_no_memory():
    plan = planning.plan("standard", {"size": 64}, (14_000, 14_000), [(14_000, 14_000)])
    assert plan["fits"]
    with pytest.raises(ImageTooLarge):
        planning.plan("standard", {"size": 64}, (15_000, 15_000), [(100, 100)])


def test_what_does_not_fit_is_a_plan_with_an_error(monkeypatch):
    chosen = planning.Hardware.choose

    def small(settings, **options):
        return chosen(settings.replaced(memory="100MB"), **options)

    monkeypatch.setattr(planning.Hardware, "choose", small)
    plan = planning.plan("standard", {"size": 600}, (600, 600), [(600, 600)])
    assert (plan["fits"], plan["memory"]) == (False, None)
    assert "lower size" in plan["error"] or "smaller" in plan["error"]
    assert plan["stages"][-1]["size"] == [600, 600]


def test_what_a_run_would_refuse_is_refused():
    with pytest.raises(SettingsError, match="style_scale has 2 for 1 styles"):
        planning.plan("standard", {"style_scale": [1, 2]}, (60, 50), [(44, 36)])


def test_work_grows_with_what_is_done():
    def work(**settings):
        plan = planning.plan("standard", {**SETTINGS, **settings}, (60, 50), [(44, 36)])
        return sum(stage["work"] for stage in plan["stages"])

    usual = work()
    assert work(iterations=[9, 9]) > usual
    assert work(size=80) > usual
    assert work(style_loss="wasserstein") > usual > work(style_loss="gram")
    assert work(line_search="strong-wolfe") > usual
    assert work(evaluations=20) > usual
    assert work(optimiser="adam") > 0


def test_a_run_tells_how_long_its_stages_took():
    run = run_of()
    watch = planning.Stopwatch(run)
    told = [facts for event in run.events() if (facts := watch(event)) is not None]
    assert len(told) == 2
    plan = planning.plan("standard", SETTINGS, (60, 50), [(44, 36)])
    for facts, stage in zip(told, plan["stages"], strict=True):
        assert facts["machine"] == plan["machine"]
        assert 0 < facts["work"] < stage["work"]  # without what comes before the first step
        assert facts["seconds"] > 0


def test_short_stages_tell_nothing():
    run = run_of(iterations=[2, 2])
    watch = planning.Stopwatch(run)
    assert [facts for event in run.events() if (facts := watch(event))] == []


def test_a_calibration_is_a_rate():
    found = planning.calibrate()
    assert found["work"] > 10**9
    assert found["seconds"] > 0
    assert found["machine"].endswith("principal-wasserstein")
