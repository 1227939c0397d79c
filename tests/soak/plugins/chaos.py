"""A model that fails in the way that its parameter ``fault`` names, and otherwise says what only its cell can say.

Its answer is x(0) + ``number`` at all times, so that the answer of another cell is known for what it is.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np

from omicsbench import Model, ModelSpec, Simulation, Status, hookimpl
from omicsbench.running import messages

FOREVER = 600
UNPRINTABLE = os.fsdecode(b"caf\xe9.csv")


class Nameless(Exception):
    """Its text takes the process down."""

    def __str__(self):
        raise SystemExit("no text")


def line():
    """The sockets of this process: the way to the runner."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                found.append(int(name))
        except OSError:
            continue
    return found


def tell(data):
    """Bytes, straight to the runner."""
    for handle in line():
        with socket.socket(fileno=os.dup(handle)) as way:
            way.sendall(data)


def said(kind, job=1, number=1, **what):
    return messages.frame(kind(job, number, **what))


def told(kind, **what):
    """A message of any job that may be running here: one of them is right."""
    for job in range(1, 200):
        tell(said(kind, job, 1, **what))


def sleeper(**how):
    return subprocess.Popen([sys.executable, "-S", "-c", f"import time; time.sleep({FOREVER})"], **how)


class Chaos(Model):
    """See above."""

    def __init__(self, *, seed: int, device: str, fault: str = "none", number: int = 0):
        self.fault, self.number, self.asked = fault, number, 0
        self.do = getattr(self, f"do_{fault}", None)

    def fit(self, train, task, progress):
        self.progress = progress
        progress(1, 2)
        if self.do is not None:
            self.do()
        progress(2, 2)

    def simulate(self, x0, t, controls):
        self.asked += 1
        if self.fault == "exit_in_timing" and self.asked == 3:
            os._exit(6)
        if self.fault == "hang_in_timing" and self.asked == 3:
            time.sleep(FOREVER)
        x = np.repeat(x0[:, None, :] + self.number, t.size, axis=1)
        if self.fault == "shape":
            x = x[:, :, :-1]
        if self.fault == "nan":
            x[:] = np.nan
        return Simulation(x, np.full(len(x0), Status.OK.value))

    def describe(self):
        if self.fault == "deep_details":
            deep = []
            for _ in range(100_000):
                deep = [deep]
            return {"deep": deep}
        if self.fault == "large_details":
            return {"text": "x" * 2**22}
        if self.fault == "nested_details":
            nested = []
            for _ in range(50):
                nested = [nested]
            return {"nested": nested}
        if self.fault == "large_number":
            return {"number": 10**30}
        if self.fault == "unprintable_details":
            return {"number": self.number, UNPRINTABLE: [UNPRINTABLE]}
        return {"number": self.number}

    # What is written to the runner

    def do_garbage(self):
        tell(b"\xff" + os.urandom(4095))  # else one in eight is the length of a long message

    def do_garbage_message(self):
        tell((64).to_bytes(4, "big") + os.urandom(64))

    def do_garbage_at_the_end(self):
        threading.Timer(0.05, tell, [b"\x00\x00\x00\x07garbage"]).start()

    def do_huge_message(self):
        tell(b"\xff" * 64)

    def do_part_of_a_message(self):
        tell(b"\x00\x00")

    def do_part_of_a_message_and_hang(self):
        tell(b"\x00\x00\x10\x00part")
        time.sleep(FOREVER)

    def do_another_job(self):
        tell(said(messages.Progress, job=10**6, step=1, of=2, loss=None))

    def do_another_number(self):
        told(messages.Progress, step=1, of=2, loss=None)

    def do_unknown_message(self):
        tell(b"\x00\x00\x00\x0a" + b"\x81\xa4says\xa4Boo!")

    def do_go(self):
        tell(messages.frame(messages.Go(1)))

    def do_ask_twice(self):
        for job in range(1, 200):
            tell(said(messages.AskAlone, job, 2) + said(messages.AskAlone, job, 3))

    def do_forged_result(self):
        # The first report came as number 1, so this one is in its turn.
        result = messages.pack({"simulation": {"x": {"kind": "<f8", "shape": [2**40, 2**40], "data": b""}}})
        for job in range(1, 200):
            tell(said(messages.Done, job, 2, result=result, clean=True))

    # Threads and processes

    def do_threads_report(self):
        def report():
            for step in range(200):
                self.progress(step, 200, 0.5)
                self.progress(200, 200, float("nan"))

        threads = [threading.Thread(target=report) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def do_thread_reports_for_ever(self):
        def report():
            while True:
                self.progress(2, 2)
                time.sleep(0.001)

        threading.Thread(target=report, daemon=True).start()

    def do_leave_a_thread(self):
        threading.Thread(target=time.sleep, args=(FOREVER,)).start()

    def do_fork_comes_back_twice(self):
        os.fork()

    def do_fork_lives_on(self):
        if not os.fork():
            while True:
                self.progress(2, 2)
                time.sleep(0.01)

    def do_fork_holds_the_line(self):
        if not os.fork():
            time.sleep(FOREVER)
        os._exit(5)

    def do_leave_children(self):
        sleeper()
        sleeper(start_new_session=True)
        subprocess.run(["sh", "-c", f"setsid sleep {FOREVER} > /dev/null &"], start_new_session=True)

    def do_leave_an_orphan(self):
        subprocess.run(["sh", "-c", f"setsid sleep {FOREVER} > /dev/null &"], start_new_session=True)

    def do_die_with_children(self):
        self.do_leave_children()
        os._exit(4)

    def do_kill_the_keeper(self):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(FOREVER)

    def do_stop_the_keeper(self):
        sleeper(start_new_session=True)
        os.kill(os.getppid(), signal.SIGSTOP)
        os._exit(3)

    # The process itself

    def do_close_the_line(self):
        for handle in line():
            with socket.socket(fileno=os.dup(handle)) as way:
                way.shutdown(socket.SHUT_RDWR)
        time.sleep(FOREVER)

    def do_exit(self):
        os._exit(3)

    def do_sys_exit(self):
        sys.exit("that is all")

    def do_interrupt(self):
        raise KeyboardInterrupt

    def do_killed(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def do_segfault(self):
        ctypes.string_at(0)

    def do_abort(self):
        os.abort()

    def do_raise(self):
        raise ValueError("no luck")

    def do_raise_unprintable(self):
        raise FileNotFoundError(UNPRINTABLE + "\x1b[2J\x00")

    def do_raise_a_book(self):
        raise ValueError("x" * 10**7)

    def do_raise_nameless(self):
        raise Nameless

    def do_raise_a_long_name(self):
        raise type("Long" * 10_000 + "\n", (Exception,), {})

    def do_recursion(self):
        self.do_recursion()

    def do_close_output(self):
        os.close(1)
        os.close(2)

    def do_close_stdout(self):
        sys.stdout.close()
        sys.stderr = None

    def do_output_elsewhere(self):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)

    def do_close_all(self):
        os.closerange(0, 256)

    def do_print(self):
        os.write(1, b"\x80\x1b[2Jrubbish" * 10_000)

    def do_chdir(self):
        os.chdir("/")

    def do_umask(self):
        os.umask(0o777)

    def do_alarm(self):
        signal.alarm(1)

    def do_error_state(self):
        np.seterr(all="raise")

    # Never ends

    def do_hang(self):
        time.sleep(FOREVER)

    def do_hang_in_c(self):
        ctypes.PyDLL(None).usleep(FOREVER * 10**6)  # holds the interpreter's lock

    def do_hang_stopped(self):
        os.kill(os.getpid(), signal.SIGSTOP)

    def do_hang_deaf(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        while True:
            time.sleep(1)

    def do_hang_reporting(self):
        while True:
            self.progress(2, 2)

    def do_hang_with_children(self):
        self.do_leave_children()
        time.sleep(FOREVER)


@hookimpl
def omicsbench_models():
    return [ModelSpec("chaos", "chaos:Chaos")]
