"""The local world's processes: who asks after one while another thread ends it gets an answer, and never an error."""

import contextlib
import threading
from pathlib import Path

from local.fork_server import ForkedProcess, ForkServer


def test_many_may_ask_after_a_process_while_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / "sleeper.py").write_text("import signal\nsignal.pause()\n")
    answers: list[int | None] = []

    def ask(process: ForkedProcess, begun: threading.Barrier) -> None:
        begun.wait()
        with contextlib.suppress(OSError):  # counted by its absence below
            while process.poll() is None:
                pass
            answers.append(process.poll())

    with ForkServer([]) as server:
        for _ in range(20):
            process = server.start("sleeper", folder=tmp_path, environment={}, log=tmp_path / "log")
            begun = threading.Barrier(4)
            asking = [threading.Thread(target=ask, args=(process, begun)) for _ in range(3)]
            for thread in asking:
                thread.start()
            begun.wait()
            process.kill()
            for thread in asking:
                thread.join()

    assert answers == [-9] * 60
