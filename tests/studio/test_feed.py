"""One stream for all viewers: bounded, in order, the newest step wins."""

import asyncio
import json

import pytest

from impasto.apps.studio import feed as feeds
from impasto.apps.studio.feed import KEPT, Feed, TooManyViewers


def parsed(chunks):
    """(id, kind, data) of each chunk that is an event."""
    found = []
    for chunk in chunks:
        lines = dict(line.split(": ", 1) for line in chunk.decode().splitlines() if line)
        if "event" in lines:
            found.append((lines["id"], lines["event"], json.loads(lines["data"])))
    return found


async def read(feed, viewer, count):
    """So many events of a viewer's stream, which then ends."""
    stream, found = feed.stream(viewer), []
    async for chunk in stream:
        found += parsed([chunk])
        if len(found) >= count:
            break
    await stream.aclose()
    return found


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def test_a_new_viewer_gets_everything_then_what_happens():
    async def go():
        feed = Feed(lambda: {"jobs": [1, 2]})
        feed.publish("job", "before")
        viewer = feed.join()
        reading = asyncio.create_task(read(feed, viewer, 3))
        await asyncio.sleep(0.05)
        feed.publish("job", "a")
        feed.publish("gone", "b")
        return await reading

    found = run(go())
    assert [(kind, data) for _, kind, data in found] == [
        ("hello", {"jobs": [1, 2]}),
        ("job", "a"),
        ("gone", "b"),
    ]


def test_who_comes_back_gets_what_was_missed_and_the_newest_step():
    async def go():
        feed = Feed(dict)
        first = feed.join()
        feed.publish("job", "seen")
        last = (await read(feed, first, 1))[0][0]
        feed.publish("job", "missed")
        for number in range(5):
            feed.publish("step", number, "j")
        return await read(feed, feed.join(last), 2)

    assert [(kind, data) for _, kind, data in run(go())] == [("job", "missed"), ("step", 4)]


@pytest.mark.parametrize("last", ["", "x", "0-1", "ffffffff-1", "-", "ffffffff-" + "9" * 400])
def test_an_unknown_number_gets_everything(last):
    async def go():
        feed = Feed(dict)
        feed.publish("job", 1)
        return await read(feed, feed.join(last), 1)

    assert run(go())[0][1] == "hello"


def test_a_number_of_this_feed_that_is_forgotten_gets_everything():
    async def go():
        feed = Feed(dict)
        viewer = feed.join()
        feed.publish("job", 0)
        last = (await read(feed, viewer, 1))[0][0]
        for number in range(KEPT + 5):
            feed.publish("job", number)
        return await read(feed, feed.join(last), 1)

    assert run(go())[0][1] == "hello"


def test_a_viewer_that_does_not_read_holds_little_and_gets_everything_at_last():
    async def go():
        feed = Feed(lambda: {"jobs": "now"})
        viewer = feed.join()
        viewer.taken()
        viewer.behind = False
        for number in range(20_000):
            feed.publish("step", number, f"job {number % 3}")
        assert viewer.waiting == 3
        for number in range(10 * KEPT):
            feed.publish("job", number)
            assert viewer.waiting <= KEPT + 3
        return await read(feed, viewer, 1)

    assert run(go())[0][1:] == ("hello", {"jobs": "now"})


def test_numbers_rise():
    async def go():
        feed = Feed(dict)
        viewer = feed.join()
        viewer.behind = False  # it was greeted
        for number in range(9):
            feed.publish("step" if number % 2 else "job", number, "j" if number % 2 else None)
        return await read(feed, viewer, 3)

    numbers = [int(number.partition("-")[2]) for number, _, _ in run(go())]
    assert numbers == sorted(numbers)


def test_there_is_a_limit_and_one_that_stalls_gives_way(monkeypatch):
    async def go():
        counts = []
        feed = Feed(dict, counts.append, most=2)
        stalled, other = feed.join(), feed.join()
        other.taken()
        with pytest.raises(TooManyViewers):
            feed.join()
        monkeypatch.setattr(feeds, "STALLED", 0.0)
        feed.publish("job", 1)
        feed.join()
        assert stalled.closed
        assert feed.viewers == 2
        feed.leave(other)
        feed.leave(other)
        assert counts == [1, 2, 2, 1, 1]

    run(go())


def test_a_closed_feed_ends_its_streams():
    async def go():
        feed = Feed(dict)
        viewer = feed.join()
        reading = asyncio.create_task(read(feed, viewer, 1000))
        await asyncio.sleep(0.05)
        feed.close()
        await reading
        with pytest.raises(TooManyViewers):
            feed.join()
        assert feed.viewers == 0

    run(go())


def test_a_heartbeat_keeps_the_line_open(monkeypatch):
    monkeypatch.setattr(feeds, "HEARTBEAT", 0.01)

    async def go():
        feed = Feed(dict)
        stream = feed.stream(feed.join())
        async for chunk in stream:
            if chunk.startswith(b":"):
                break
        await stream.aclose()

    run(go())
