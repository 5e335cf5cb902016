"""Processes, threads, event loops and program exit."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

import genai_grpc as genai
from genai_grpc import errors
from genai_grpc.local import STALL, Delay, ScriptEngine, Server, serve
from tests.conftest import Connect
from tests.faults.conftest import AddRow, Echo, EndpointOf

ROOT: Final = Path(__file__).parents[2]
# gRPC has threads, so each fork after a call gives this warning, from Python 3.12 (docs/clients.md).
FORK_WARNING: Final = "ignore:This process:DeprecationWarning"


def run(program: str, *arguments: str) -> tuple[str, str, int]:
    """Run a Python program in a new process; returns stdout, stderr and the exit status."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "generated" / "python")))
    completed = subprocess.run(
        [sys.executable, "-W", "error", "-W", FORK_WARNING, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
    )
    return completed.stdout, completed.stderr, completed.returncode


PREFORK: Final = """
    # gunicorn with preload_app, of an application that makes calls at import: workers are forked, and later replaced.
    import os, sys
    import genai_grpc as genai
    model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1], transport=sys.argv[-1]))
    print(model.generate_content("parent").text)

    def worker():
        for _ in range(10):
            assert model.generate_content("Hi").text == "Hello"
        os.write(1, b"worker done\\n")
        os._exit(0)

    workers = set()
    for round in range(2):
        while len(workers) < 4:
            pid = os.fork()
            if pid == 0:
                worker()
            workers.add(pid)
        for pid in workers:
            assert os.waitpid(pid, 0)[1] == 0
        workers.clear()
        print(model.generate_content("parent again").text)
"""

STREAM_OPEN: Final = """
    # A fork during a stream: the child connects anew, and the parent's stream continues.
    import os, sys, threading
    import genai_grpc as genai
    model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1], transport=sys.argv[-1]))
    response = model.generate_content("Count", stream=True)
    chunks = iter(response)
    next(chunks)
    pid = os.fork()
    if pid == 0:
        assert model.generate_content("Hi").text == "Hello"
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    print(sum(1 for _ in chunks))
"""


def test_prefork(endpoint_of: EndpointOf, transport: Any, echo: Server, add_row: AddRow) -> None:
    """Workers forked after the parent made calls use connections of their own; the parent's stays usable."""
    stdout, stderr, status = run(PREFORK, endpoint_of(echo), transport)
    assert (stdout.count("Hello"), stdout.count("worker done"), stderr, status) == (3, 8, "", 0)
    add_row("fork after calls (gunicorn with preload_app)", "all calls succeed, in parent and workers", "")


def test_fork_during_a_stream(endpoint_of: EndpointOf, transport: Any, add_row: AddRow) -> None:
    """A fork during a stream does not affect the parent's stream, and the child can make calls."""
    script = ScriptEngine().reply("One,", " two").reply("Hello")
    with serve(script) as server:
        stdout, stderr, status = run(STREAM_OPEN, endpoint_of(server), transport)
    assert (stdout, stderr, status) == ("1\n", "", 0)
    add_row("fork during a stream", "the stream continues in the parent; the child opens its own connection", "")


IN_CALLS: Final = """
    # Forks while threads are in calls, such as those of a threaded web server.
    import os, sys, threading
    import genai_grpc as genai
    model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1], transport=sys.argv[-1]))
    stop = threading.Event()

    def call_in_turn():
        while not stop.is_set():
            assert model.generate_content("Hi").text == "Hello"

    model.generate_content("Hi")  # a fork while a thread imports a module is Python's own problem
    threads = [threading.Thread(target=call_in_turn) for _ in range(4)]
    for thread in threads:
        thread.start()
    statuses = []
    for _ in range(12):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                status = int(model.generate_content("Hi", request_options={"timeout": 10}).text != "Hello")
            finally:
                os._exit(status)
        statuses.append(os.waitpid(pid, 0)[1])
    stop.set()
    for thread in threads:
        thread.join()
    print(set(statuses), sys.getswitchinterval())
"""

BUSY_THREADS: Final = """
    # Forks with a stream open, while threads compute until the forks are done.
    import os, sys, threading, time
    import genai_grpc as genai
    model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1]))
    chunks = iter(model.generate_content("Count", stream=True))
    next(chunks)
    forked = threading.Event()

    def compute():
        while not forked.is_set():
            pass

    threads = [threading.Thread(target=compute) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        end = time.monotonic() + 0.002
        while time.monotonic() < end:  # the others ask for the GIL
            pass
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    forked.set()
    for thread in threads:
        thread.join()
    print(sum(1 for _ in chunks), sys.getswitchinterval())
"""

INHERITED_STREAMS: Final = """
    # A child drops, closes or reads the streams of its parent, makes a call of its own and ends as programs do.
    import gc, os, sys
    import genai_grpc as genai
    from genai_grpc import errors
    model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1], transport=sys.argv[-1]))
    responses = [model.generate_content("Count", stream=True) for _ in range(4)]
    chunks = [iter(response) for response in responses]
    for each in chunks[1:]:
        next(each)
    statuses = []
    for number in range(int(sys.argv[2])):
        pid = os.fork()
        if pid == 0:
            if number % 2:
                next(chunks[0])  # it came before the fork
                try:
                    next(chunks[0])
                except errors.Cancelled as error:
                    assert "belongs to the parent process" in str(error), error
                else:
                    raise AssertionError("a child read its parent's stream")
                assert isinstance(responses[1].metadata.initial, tuple)
                responses[1].close()
            del chunks, responses
            gc.collect()
            assert model.generate_content("Hi").text == "Hello"
            sys.exit(7)
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    print(set(statuses), [sum(1 for _ in each) for each in chunks])
"""


def test_fork_during_calls(endpoint_of: EndpointOf, transport: Any, echo: Server, add_row: AddRow) -> None:
    """Children that are forked while threads are in sync calls can make calls."""
    stdout, stderr, status = run(IN_CALLS, endpoint_of(echo), transport)
    assert (stdout, stderr, status) == ("{0} 0.005\n", "", 0)
    wait = "; each fork takes 0.25 s" if transport == "grpc" else ""
    add_row("forks while 4 threads are in calls", f"all calls succeed, in parent and children{wait}", "")


def test_fork_while_threads_compute(add_row: AddRow) -> None:
    """A fork during a sync call does not wait until other threads, which compute, have ended."""
    with serve(ScriptEngine().reply("One,", " two")) as server:
        stdout, stderr, status = run(BUSY_THREADS, server.endpoint)
    assert (stdout, stderr, status) == ("1 0.005\n", "", 0)
    add_row("forks with a sync call in flight, while threads compute", "the fork takes up to 0.5 s for each", "")


def test_inherited_streams(endpoint_of: EndpointOf, transport: Any, add_row: AddRow) -> None:
    """A child that drops, closes or reads the streams of its parent does not hang; the parent reads them to the end."""
    children = 8
    script = ScriptEngine()
    for _ in range(4):
        script.reply("One,", " two")
    for _ in range(children):
        script.reply("Hello")
    with serve(script) as server:
        stdout, stderr, status = run(INHERITED_STREAMS, endpoint_of(server), str(children), transport)
    assert (stdout, stderr, status) == ("{7} [2, 1, 1, 1]\n", "", 0)
    add_row(
        "child drops, closes or reads its parent's streams", "Cancelled on reading; the parent's streams continue", ""
    )


def test_inherited_async_stream(connect: Connect, echo: Server) -> None:
    """An async stream is abandoned likewise: reading it raises Cancelled, and its callbacks do not run."""
    model = genai.GenerativeModel(client=connect(echo))

    async def main() -> None:
        async with model.client:
            response = await model.generate_content_async("Hi", stream=True)
            stream = response._iterator
            stream._reset_after_fork()  # not in a child, which gRPC may crash
            assert not stream.open
            assert response.metadata is not None
            with pytest.raises(errors.Cancelled, match="belongs to the parent process"):
                await response.resolve()

    asyncio.run(main())


@pytest.mark.parametrize("start_method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(start_method: str, add_row: AddRow, tmp_path: Path) -> None:
    """Worker processes of multiprocessing can make calls, with every start method and with `maxtasksperchild`."""
    program = f"""
    import multiprocessing, sys
    import genai_grpc as genai

    def call_with_new_client(endpoint):
        model = genai.GenerativeModel(client=genai.Client(endpoint=endpoint))
        return [model.generate_content("Hi").text for _ in range(3)]

    CLIENT = None

    def call_with_shared_client(endpoint):
        # One client for many tasks, as in a celery worker.
        global CLIENT
        CLIENT = CLIENT or genai.Client(endpoint=endpoint)
        return [genai.GenerativeModel(client=CLIENT).generate_content("Hi").text]

    if __name__ == "__main__":
        call_with_new_client(sys.argv[1])
        with multiprocessing.get_context({start_method!r}).Pool(2, maxtasksperchild=3) as pool:
            results = pool.map(call_with_shared_client, [sys.argv[1]] * 12, chunksize=1)
            results += pool.map(call_with_new_client, [sys.argv[1]] * 4, chunksize=1)
        print(sum(map(len, results)))
    """
    # The start methods spawn and forkserver import the program from a file.
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(program))
    with serve(Echo()) as server:
        stdout, stderr, status = run(
            f"import runpy; runpy.run_path({str(file)!r}, run_name='__main__')", server.endpoint
        )
    assert (stdout, stderr, status) == ("24\n", "", 0)
    add_row(f"multiprocessing ({start_method}), maxtasksperchild=3", "all calls succeed", "")


SLOW_READERS: Final = {
    "sync": """
        import resource, sys, time
        import genai_grpc as genai
        model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1]))
        chunks = iter(model.generate_content("Hi", stream=True))
        next(chunks)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        time.sleep(2)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """,
    "async": """
        import asyncio, resource, sys
        import genai_grpc as genai
        async def main():
            async with genai.Client(endpoint=sys.argv[1]) as client:
                model = genai.GenerativeModel(client=client)
                chunks = aiter(await model.generate_content_async("Hi", stream=True))
                await anext(chunks)
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                await asyncio.sleep(2)
                print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        asyncio.run(main())
    """,
}


@pytest.mark.parametrize("mode", SLOW_READERS)
def test_slow_reader(mode: str, add_row: AddRow) -> None:
    """While a program does not read its stream, HTTP/2 flow control stops the server, and memory does not grow."""
    with serve(Echo(*["x" * 2**20] * 500)) as server:
        stdout, stderr, status = run(SLOW_READERS[mode], server.endpoint)
    assert (stderr, status) == ("", 0)
    growth = int(stdout) / 1024
    assert growth < 100  # MiB, of the 500 that the server would send
    add_row(
        "program pauses in a stream of 500 MiB",
        "the chunks it reads; flow control stops the server",
        f"{mode}: {growth:.0f} MiB buffered",
    )


def test_several_event_loops(connect: Connect, echo: Server, add_row: AddRow) -> None:
    """One client works in one event loop after another, and in none."""
    client = connect(echo)
    model = genai.GenerativeModel(client=client)

    async def call() -> str:
        return (await model.generate_content_async("Hi")).text

    for _ in range(6):
        assert asyncio.run(call()) == "Hello"
        assert model.generate_content("Hi").text == "Hello"
    client.close()
    add_row("asyncio.run several times with one client", "all calls succeed", "")


def test_threads_and_loops(connect: Connect, echo: Server, add_row: AddRow) -> None:
    """Threads with and without an event loop share one client, and its limit of calls in flight."""
    client = connect(echo, max_in_flight=5)
    model = genai.GenerativeModel(client=client)

    async def call_async() -> int:
        responses = await asyncio.gather(*(model.generate_content_async("Hi") for _ in range(25)))
        return len([response.text for response in responses])

    def call_sync() -> int:
        return len([model.generate_content("Hi").text for _ in range(25)])

    with ThreadPoolExecutor(8) as pool:
        counts = [pool.submit(asyncio.run, call_async()) for _ in range(4)] + [pool.submit(call_sync) for _ in range(4)]
        assert sum(count.result() for count in counts) == 200
    client.close()
    add_row("4 event loops and 4 threads with one client, max_in_flight=5", "all calls succeed", "")


@pytest.mark.parametrize("grace", [None, 60.0])
def test_close_with_calls_in_flight(connect: Connect, grace: float | None, add_row: AddRow) -> None:
    """Closing a client ends the calls of all threads and event loops; with a grace, they end by themselves."""
    script, calls = ScriptEngine(), 20
    for _ in range(2 * calls):
        script.reply("Hello", STALL if grace is None else Delay(0.5))

    async def call_async() -> list[Any]:
        tasks = (model.generate_content_async("Hi") for _ in range(calls))
        return await asyncio.gather(*tasks, return_exceptions=True)

    with serve(script) as server, ThreadPoolExecutor(calls + 1) as pool:
        client = connect(server)
        model = genai.GenerativeModel(client=client)
        sync = [pool.submit(model.generate_content, "Hi") for _ in range(calls)]
        asynchronous = pool.submit(asyncio.run, call_async())
        while len(script.requests) < 2 * calls:
            time.sleep(0.005)
        client.close(grace)
        results = [future.exception() or future.result() for future in sync] + asynchronous.result()
    if grace is None:
        assert {type(result) for result in results} == {errors.ClientClosed}
        add_row("client closed with calls in flight", "ClientClosed, not retried", "")
    else:
        assert [result.text for result in results] == ["Hello"] * 2 * calls
        add_row("client closed with calls in flight, `grace` longer than they take", "all calls succeed", "")


EXITS: Final = {
    "a call on a daemon thread": """
        import sys, threading, time
        import genai_grpc as genai
        model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1], transport=sys.argv[-1]))
        threading.Thread(target=model.generate_content, args=("Hi",), daemon=True).start()
        time.sleep(0.5)
        print("end")
    """,
    "open streams": """
        import sys
        import genai_grpc as genai
        model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1], transport=sys.argv[-1]))
        responses = [model.generate_content("Hi", stream=True) for _ in range(3)]
        print("end")
    """,
    "tasks in flight": """
        import asyncio, sys
        import genai_grpc as genai
        async def main():
            model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1], transport=sys.argv[-1]))
            tasks = [asyncio.create_task(model.generate_content_async("Hi")) for _ in range(3)]
            await asyncio.sleep(0.5)
            print("end")
        asyncio.run(main())
    """,
    "an open async stream": """
        import asyncio, sys
        import genai_grpc as genai
        response = None
        async def main():
            global response
            model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1], transport=sys.argv[-1]))
            response = await model.generate_content_async("Hi", stream=True)
            print("end")
        asyncio.run(main())
    """,
    "sys.exit during a stream": """
        import sys
        import genai_grpc as genai
        model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1], transport=sys.argv[-1]))
        for chunk in model.generate_content("Hi", stream=True):
            print("end")
            sys.exit(0)
    """,
}


@pytest.mark.parametrize("state", EXITS)
def test_exit_with_calls_in_flight(endpoint_of: EndpointOf, transport: Any, state: str, add_row: AddRow) -> None:
    """A program that exits with calls in flight does not hang, and prints nothing."""
    script = ScriptEngine()
    for _ in range(3):
        script.reply("One,", STALL)
    server = serve(script)  # not in a block, whose end would verify that all three replies were used
    server.start()
    try:
        stdout, stderr, status = run(EXITS[state], endpoint_of(server), transport)
    finally:
        server.stop()
    assert (stdout, stderr, status) == ("end\n", "", 0)
    add_row(f"program exits with {state}", "exit status 0, no output", "")
