"""The workers without threads."""

from __future__ import annotations

import pytest
from twisted.trial.unittest import SynchronousTestCase

from metronome.threads.memory import ImmediateWorker, MemoryWorker


class MemoryWorkerTests(SynchronousTestCase):
    def test_nothing_happens_before_a_step(self) -> None:
        """One step does one job, the oldest."""
        worker = MemoryWorker()
        first, second = worker.do(lambda: 1), worker.do(lambda: 2)
        self.assertNoResult(first)
        self.assertEqual(worker.waiting(), 2)
        self.assertTrue(worker.step())
        self.assertEqual(self.successResultOf(first), 1)
        self.assertNoResult(second)

    def test_run_all_also_does_what_jobs_lead_to(self) -> None:
        """A job handed in by the callback of another is done in the same run."""
        worker = MemoryWorker()
        led = worker.do(lambda: 1).addCallback(lambda one: worker.do(lambda: one + 1))
        self.assertEqual(worker.run_all(), 2)
        self.assertEqual(self.successResultOf(led), 2)
        self.assertFalse(worker.step())

    def test_a_failure_fails_its_own_deferred(self) -> None:
        """And the next job is done."""
        worker = MemoryWorker()
        bad, good = worker.do(lambda: 1 // 0), worker.do(lambda: "fine")
        worker.run_all()
        self.failureResultOf(bad, ZeroDivisionError)
        self.assertEqual(self.successResultOf(good), "fine")

    def test_stop_fires_behind_the_queue(self) -> None:
        """And no job may follow."""
        worker = MemoryWorker()
        job = worker.do(lambda: "done")
        stopped = worker.stop()
        with pytest.raises(RuntimeError):
            worker.do(lambda: None)
        worker.step()
        self.assertEqual(self.successResultOf(job), "done")
        self.assertNoResult(stopped)
        worker.step()
        self.assertIsNone(self.successResultOf(stopped))

    def test_a_crash_forgets_the_queue(self) -> None:
        """Dropped jobs are not done and their Deferreds never fire."""
        worker = MemoryWorker()
        done: list[int] = []
        job = worker.do(lambda: done.append(1))
        self.assertEqual(worker.drop_all(), 1)
        self.assertEqual(worker.run_all(), 0)
        self.assertEqual(done, [])
        self.assertNoResult(job)


class ImmediateWorkerTests(SynchronousTestCase):
    def test_a_job_is_done_when_do_returns(self) -> None:
        """Results, failures and the stop are there at once; nothing may follow the stop."""
        worker = ImmediateWorker()
        self.assertEqual(self.successResultOf(worker.do(lambda: 3)), 3)
        self.failureResultOf(worker.do(lambda: 1 // 0), ZeroDivisionError)
        self.assertIsNone(self.successResultOf(worker.stop()))
        with pytest.raises(RuntimeError):
            worker.do(lambda: None)
