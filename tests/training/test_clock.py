"""Speed of a training, and when to save; times are set by hand."""

import time

import pytest

from sparsekd.training.clock import Clock


def test_checkpoints_wait_until_writing_them_is_cheap():
    clock = Clock()
    assert clock.save_due(every=60, epoch_ended=True)
    assert not clock.save_due(every=60, epoch_ended=False)
    clock.count_save(start=clock.last_save - 10)
    assert not clock.save_due(every=0, epoch_ended=True)
    clock.last_save -= 201  # twenty times as long as it took to write
    assert clock.save_due(every=0, epoch_ended=True)


def test_evaluating_and_saving_do_not_slow_the_reported_speed():
    clock = Clock()
    clock.started -= 10
    clock.count(examples=40)
    clock.count_evaluation(start=time.monotonic() - 4)
    clock.count_save(start=time.monotonic() - 2)
    speed, eta = clock.speed(steps_left=3)
    assert speed == pytest.approx(10, rel=0.01)
    assert eta == pytest.approx(30, rel=0.01)


def test_many_students_in_one_process_report_less_often():
    one, many = Clock(), Clock(students=16)
    for clock in (one, many):
        assert clock.report_due()
        clock.last_report = time.monotonic() - 1
    assert one.report_due() and not many.report_due()
