"""Small computations side by side, each on one thread."""

import os
import threading

import pytest
import torch

from impasto.objective.threads import side_by_side, threads

CPU = torch.device("cpu")


def state():
    return threading.get_ident(), torch.get_num_threads(), torch.is_grad_enabled()


def test_results_come_in_the_order_of_tasks():
    gates = [threading.Event(), threading.Event()]

    def first():
        assert gates[1].wait(10)
        return 1

    def second():
        gates[1].set()
        return 2

    with threads(2):
        assert side_by_side([first, second], CPU) == [1, 2]


def test_each_task_has_one_thread_and_no_autograd():
    with threads(3):
        found = side_by_side([state] * 4, CPU)
        assert torch.get_num_threads() == 3
    assert {count for _, count, _ in found} == {1}
    assert not any(grad for *_, grad in found)
    assert threading.get_ident() not in {ident for ident, *_ in found}


@pytest.mark.parametrize(
    ("count", "tasks", "device"), [(1, 2, "cpu"), (2, 1, "cpu"), (2, 2, "meta")]
)
def test_one_after_another_where_nothing_is_won(count, tasks, device):
    with threads(count):
        found = side_by_side([state] * tasks, torch.device(device))
    assert found == [(threading.get_ident(), count, True)] * tasks


def test_an_error_is_the_callers():
    def fail():
        raise ValueError("no such matrix")

    with threads(2), pytest.raises(ValueError, match="no such matrix"):
        side_by_side([state, fail], CPU)


def test_new_threads_keep_their_default():
    before = torch.get_num_threads()
    with threads(before + 1):
        side_by_side([state, state], CPU)
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_threads_of_its_own():
    with threads(2):
        side_by_side([state, state], CPU)
        child = os.fork()
        if child == 0:
            found = side_by_side([lambda: 1, lambda: 2], CPU)
            os._exit(0 if found == [1, 2] else 1)
        assert os.waitpid(child, 0)[1] == 0
