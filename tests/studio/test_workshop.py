"""Every command in every state, twice, in any order: the jobs stay what they can be."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from impasto.apps.studio.feed import Feed
from impasto.apps.studio.folders import Folders
from impasto.apps.studio.jobs import COMMANDS, STATES, Job, new_id
from impasto.apps.studio.orders import Adjust, End, Told, Watch, Work
from impasto.apps.studio.refusal import Refusal
from impasto.apps.studio.register import Register
from impasto.apps.studio.workshop import MAX_QUEUE, Workshop

REQUEST = {"content": "c", "styles": ["s"], "recipe": "standard", "settings": {}}


class Hands:
    """A painter that notes its orders, and paints when it is told to."""

    def __init__(self):
        self.orders, self.at, self.ending, self.version = [], None, None, 0

    def send(self, order):
        self.orders.append(order)
        match order:
            case Work():
                assert self.at is None, "it has its hands full"
                self.at, self.ending, self.version = order, None, order.version
            case Adjust(work) if self.at and work.job == self.at.job:
                self.version = work.version
            case End(job, how) if self.at and job == self.at.job:
                self.ending = how
        return True


class Shop:
    """A workshop with such a painter."""

    def __init__(self, folder):
        self.hands, self.fails = Hands(), False
        self.feed = Feed(dict)
        self.register = Register(Folders(folder), self.feed)
        self.workshop = Workshop(self.register, self.hands, self.work)
        self.workshop.open()

    def work(self, job):
        if self.fails:
            raise Refusal(404, "there is no such picture")
        folder = self.register.folders.path(job.id)
        return Work(job.id, folder, "standard", {}, (8, 6), "c", ("s",), version=job.version)

    def tell(self, kind, **facts):
        self.workshop.heard(Told(kind, self.hands.at.job if self.hands.at else "", facts))

    def ready(self):
        self.tell("ready")

    def new(self):
        return self.workshop.create(Job(new_id(), REQUEST))["id"]

    def opened(self):
        self.tell("opened", size=(8, 6), stages=[((8, 6), 5)], stage=0, done=0, total=5,
                  iteration=0, version=self.hands.version)  # fmt: skip

    def step(self, done):
        self.tell("step", stage=0, scale=8, iteration=done, done=done, total=5, loss=1.0,
                  seconds=0.1, size=[8, 6])  # fmt: skip

    def ended(self, how=None):
        """The painter ends as it was told to, or by itself."""
        ending = {"pause": "paused", "stop": "stopped", "discard": "discard"}
        told = ending.get(self.hands.ending, "done")
        if self.hands.at.only_result:
            told = "stopped"
        job, self.hands.at = self.hands.at.job, None
        facts = {"outputs": {"report": False, "timelapse": False}}
        if told in ("done", "stopped"):
            result = {"width": 8, "height": 6, "bytes": 9}
            self.workshop.heard(Told("result", job, {"result": result}))
        facts |= {"how": how or told, "version": self.hands.version, "error": "it broke"}
        self.workshop.heard(Told("ended", job, facts))

    def died(self):
        self.hands.at = None
        self.workshop.heard(Told("died", facts={"code": -9}))

    def state(self, job):
        return self.register.job(job).state


@pytest.fixture
def shop(tmp_path):
    found = Shop(tmp_path)
    found.ready()
    return found


def in_state(shop, state):
    """A job in that state."""
    if state == "queued":
        shop.new()
        return shop.new()
    job = shop.new()
    shop.opened()
    shop.step(1)
    match state:
        case "paused":
            shop.workshop.pause(job)
            shop.ended()
        case "stopped":
            shop.workshop.stop(job)
            shop.ended()
        case "done":
            shop.ended()
        case "failed":
            shop.ended("failed")
        case "interrupted":
            shop.died()
            shop.ready()
    assert shop.state(job) == state
    return job


def tell(shop, job, command):
    """Any command, with arguments that fit; whether it was accepted."""
    arguments = {"move": (None,), "more": (3,)}.get(command, ())
    if command == "adjust":
        known = shop.register.job(job).request["settings"]
        arguments = ({**REQUEST, "settings": {"seed": known.get("seed", 0) + 1}},)
    try:
        getattr(shop.workshop, command)(job, *arguments)
    except Refusal as refusal:
        if refusal.status not in (404, 409):
            raise
        return False
    return True


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_in_every_state_twice(command, state, shop):
    job = in_state(shop, state)
    accepted = tell(shop, job, command)
    assert accepted or state not in COMMANDS[command]
    if accepted and command == "discard":
        assert not tell(shop, job, command)  # 404
    else:
        tell(shop, job, command)
    while shop.hands.at:
        shop.ended()
    assert not any(job.settling for job in shop.register.jobs.values())


AFTER = {
    "pause": "paused",
    "stop": "stopped",
    "resume": "queued",
    "more": "queued",
    "move": "queued",
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("command", AFTER)
def test_a_command_is_obeyed_at_once(command, state, shop):
    job = in_state(shop, state)
    if state not in COMMANDS[command]:
        return
    tell(shop, job, command)
    after = AFTER[command]
    assert shop.state(job) in (("queued", "painting") if after == "queued" else (after,))


def test_one_is_painted_at_a_time_and_the_others_in_order(shop):
    jobs = [shop.new() for _ in range(3)]
    assert [shop.state(job) for job in jobs] == ["painting", "queued", "queued"]
    shop.workshop.move(jobs[2], jobs[1])
    assert [shop.register.line(shop.register.job(job))["position"] for job in jobs] == [None, 1, 0]
    shop.ended()
    assert [shop.state(job) for job in jobs] == ["done", "queued", "painting"]


def test_nothing_is_begun_before_the_painter_is_ready(tmp_path):
    shop = Shop(tmp_path)
    job = shop.new()
    assert shop.state(job) == "queued"
    shop.ready()
    assert shop.state(job) == "painting"


def test_the_queue_has_an_end(shop):
    for _ in range(MAX_QUEUE + 1):
        shop.new()
    with pytest.raises(Refusal, match="queue is full"):
        shop.new()


def test_a_job_whose_picture_is_gone_fails_and_the_next_begins(shop):
    first, second = shop.new(), shop.new()
    third = shop.new()
    shop.fails = True
    shop.workshop.pause(third)
    shop.ended()
    assert (shop.state(first), shop.state(second)) == ("done", "failed")
    assert "no such picture" in shop.register.job(second).error


def test_settings_that_came_too_late_are_painted_next(shop):
    job, other = shop.new(), shop.new()
    shop.opened()
    version = shop.hands.version
    tell(shop, job, "adjust")
    shop.hands.version = version  # it was at its end already
    shop.ended()
    assert shop.state(job) == "painting"
    assert shop.hands.at.version == 1
    assert shop.state(other) == "queued"


def test_a_dead_painter_interrupts_its_job_and_others_go_on(shop):
    first, second = shop.new(), shop.new()
    shop.opened()
    shop.died()
    assert (shop.state(first), shop.state(second)) == ("interrupted", "queued")
    shop.ready()
    assert shop.state(second) == "painting"


def test_what_was_stopped_while_nobody_painted_it_gets_its_result(shop):
    job = in_state(shop, "interrupted")
    shop.workshop.stop(job)
    assert shop.register.job(job).settling
    assert shop.hands.at.only_result
    shop.ended()
    assert shop.register.job(job).result == {"width": 8, "height": 6, "bytes": 9}


def test_after_a_restart_jobs_are_where_they_were(tmp_path):
    shop = Shop(tmp_path)
    shop.ready()
    states = {state: in_state(shop, state) for state in ("done", "paused", "failed")}
    painting, waiting, last = shop.new(), shop.new(), shop.new()
    shop.workshop.move(last, waiting)
    again = Shop(tmp_path)
    for state, job in states.items():
        assert again.state(job) == state
    assert again.state(painting) == "interrupted"
    assert again.register.queue == [last, waiting]


def test_a_discarded_job_is_gone_after_a_kill_too(shop, tmp_path):
    job = in_state(shop, "painting")
    shop.workshop.discard(job)
    assert shop.hands.ending == "discard"
    assert (tmp_path / "jobs" / job).is_dir()  # the painter still has it
    assert Shop(tmp_path).register.jobs == {}
    assert not (tmp_path / "jobs" / job).exists()


def test_a_full_disk_loses_nothing_and_is_told(shop, monkeypatch):
    job = in_state(shop, "painting")
    told = []
    monkeypatch.setattr(shop.feed, "publish", lambda kind, data, *_: told.append(kind))
    writing = shop.register.folders.write

    def full(job):
        from impasto.errors import OutputError

        raise OutputError("job.json: No space left on device; nothing was written")

    shop.register.folders.write = full
    shop.workshop.pause(job)
    assert shop.state(job) == "paused"
    assert "full" in told
    with pytest.raises(Refusal, match="disk is full"):
        shop.new()
    shop.register.folders.write = writing
    shop.ended()
    saved = json.loads((shop.register.folders.path(job) / "job.json").read_text())
    assert saved["state"] == "paused"


def test_the_oldest_results_go_first_and_it_is_said(shop, tmp_path, monkeypatch):
    told = []
    publish = shop.feed.publish
    monkeypatch.setattr(shop.feed, "publish", lambda *a: (told.append(a), publish(*a)))
    jobs = [in_state(shop, "done") for _ in range(3)]
    for job in jobs:
        (tmp_path / "jobs" / job / "result.png").write_bytes(bytes(1000))
    shop.register.folders.quota = shop.register.folders.used() - 1200
    running = shop.new()
    gone = [data for kind, data, *_ in told if kind == "gone"]
    assert [data["id"] for data in gone] == jobs[: len(gone)]
    assert 1 <= len(gone) <= 2
    assert all("oldest" in data["why"] for data in gone)
    assert shop.state(running) == "painting"


def test_what_has_just_ended_and_what_others_start_from_stays(shop, tmp_path):
    parent, other, last = [in_state(shop, "done") for _ in range(3)]
    shop.new()
    shop.workshop.create(Job(new_id(), REQUEST, parent=parent))
    shop.register.folders.quota = 0
    gone = shop.register.folders.excess(shop.register.jobs.values())
    assert [job.id for job in gone] == [other]
    assert shop.state(last) == "done"


def test_only_folders_of_jobs_are_removed(tmp_path):
    for name in ("wedding", "0123456789abcdef"):
        (tmp_path / "jobs" / name).mkdir(parents=True)
        (tmp_path / "jobs" / name / "photo.jpg").write_bytes(b"x")
    assert Folders(tmp_path).load() == []
    assert [folder.name for folder in (tmp_path / "jobs").iterdir()] == ["wedding"]


@pytest.mark.parametrize("text", ["[]", "3", '{"id": "x"}', "{", '{"notices": 3}'])
def test_a_damaged_job_is_left_alone(tmp_path, text):
    line = Job(new_id(), REQUEST).line()
    damaged = {**line, **json.loads(text)} if text.endswith("3}") else None
    folder = tmp_path / "jobs" / line["id"]
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps(damaged) if damaged else text)
    assert Folders(tmp_path).load() == []
    assert (folder / "job.json").exists()


def test_previews_are_asked_for_in_the_size_wanted_once(shop):
    looking = [Watch(640, 1), Watch(640, 1), Watch(640, 2), Watch()]
    for watch in looking:
        shop.workshop.watch(watch)
    asked = [order for order in shop.hands.orders if isinstance(order, Watch)]
    assert asked == [Watch(), Watch(640, 1), Watch(640, 2), Watch()]


class AnyOrder(RuleBasedStateMachine):
    """Jobs, a painter that ends or dies when it likes, and whatever a page may ask."""

    def __init__(self):
        super().__init__()
        self.place = TemporaryDirectory()
        self.shop = Shop(Path(self.place.name))
        self.shop.ready()

    def teardown(self):
        while self.shop.hands.at:
            self.shop.ended()
        assert not any(job.settling for job in self.shop.register.jobs.values())
        assert not any(job.state == "painting" for job in self.shop.register.jobs.values())
        self.place.cleanup()

    def some(self, data):
        return data.draw(st.sampled_from(sorted(self.shop.register.jobs)))

    @initialize()
    def first(self):
        self.shop.new()

    @precondition(lambda self: len(self.shop.register.jobs) < 5)
    @rule()
    def create(self):
        self.shop.new()

    @precondition(lambda self: self.shop.register.jobs)
    @rule(data=st.data(), command=st.sampled_from(sorted(COMMANDS)))
    def command(self, data, command):
        tell(self.shop, self.some(data), command)

    @precondition(lambda self: len(self.shop.register.queue) > 1)
    @rule(data=st.data())
    def move(self, data):
        pair = [data.draw(st.sampled_from(self.shop.register.queue)) for _ in range(2)]
        self.shop.workshop.move(*pair)

    @precondition(lambda self: self.shop.hands.at)
    @rule(done=st.integers(0, 5))
    def paints(self, done):
        self.shop.opened()
        self.shop.step(done)

    @precondition(lambda self: self.shop.hands.at)
    @rule(fails=st.booleans())
    def ends(self, fails):
        self.shop.ended("failed" if fails and self.shop.hands.ending is None else None)

    @rule()
    def dies(self):
        self.shop.died()
        self.shop.ready()

    @invariant()
    def at_most_one_is_painted_and_the_painter_has_it(self):
        jobs = self.shop.register.jobs
        painting = [job.id for job in jobs.values() if job.state == "painting"]
        assert len(painting) <= 1
        at = self.shop.hands.at
        assert not painting or (at and at.job == painting[0])

    @invariant()
    def the_queue_is_what_waits_in_the_order_of_ranks(self):
        jobs, queue = self.shop.register.jobs, self.shop.register.queue
        assert sorted(queue) == sorted(job.id for job in jobs.values() if job.state == "queued")
        ranks = [jobs[job].rank for job in queue]
        assert ranks == sorted(ranks)

    @invariant()
    def free_hands_have_nothing_to_do(self):
        if self.shop.hands.at is None:
            assert not self.shop.register.queue

    @invariant()
    def the_disk_knows(self):
        for job in self.shop.register.jobs.values():
            file = self.shop.register.folders.path(job.id) / "job.json"
            assert json.loads(file.read_text())["state"] == job.state


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
