"""Interlaced frames to progressive ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from impasto.errors import optional

__all__ = ["deinterlaced"]


def deinterlaced(frames: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """Both fields of interlaced frames as one, by FFmpeg's bwdif; others pass as they are."""
    waiting: deque[int] = deque()
    graph, shape = None, None
    for number, frame in frames:
        if isinstance(frame, str):
            yield number, frame
            continue
        if shape != (frame.width, frame.height, frame.format.name):
            if graph:
                yield from _drained(graph, waiting, None)
            shape = (frame.width, frame.height, frame.format.name)
            graph = _bwdif(frame)
        waiting.append(number)
        yield from _drained(graph, waiting, frame)
    if graph:
        yield from _drained(graph, waiting, None)


def _drained(graph: Any, waiting: deque[int], frame: Any) -> Iterator[tuple[int, Any]]:  # noqa: ANN401 (of PyAV)
    """What the filter gives once it has the frame; it gives one for each, in order."""
    graph.push(frame)
    while waiting:
        try:
            yield waiting[0], graph.pull()
        except (BlockingIOError, EOFError):
            return
        waiting.popleft()


def _bwdif(frame: Any) -> Any:  # noqa: ANN401 (of PyAV)
    graph = optional("av.filter", "video", "reading a clip").Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    filtered = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    sink = graph.add("buffersink")
    source.link_to(filtered)
    filtered.link_to(sink)
    graph.configure()
    return graph
