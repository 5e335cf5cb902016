"""What processes, threads, loops and the end of a program do to calls."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import genai_grpc as genai
from genai_grpc.local import STALL, ScriptEngine, serve
from tests.faults.conftest import Echo

if TYPE_CHECKING:
    from collections.abc import Callable

    from genai_grpc.local.server import Server

    Row = Callable[[str, str, str], None]

ROOT: Final = Path(__file__).parents[2]


def run(program: str, *arguments: str) -> tuple[str, str, int]:
    """What a Python program of its own says and complains of, and its exit status."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "generated" / "python")))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"},
    )
    return done.stdout, done.stderr, done.returncode


PREFORK: Final = """
    # As gunicorn does with a preloaded application that called at import: workers are forked, and replaced as they die.
    import os, sys
    import genai_grpc as genai
    model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1]))
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
    # A fork while another thread reads a stream: the child begins anew, the parent's stream goes on.
    import os, sys, threading
    import genai_grpc as genai
    model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1]))
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


def test_prefork(echo: Server, row: Row) -> None:
    """Workers forked by a parent that has called before have connections of their own; the parent's goes on."""
    said, complaints, status = run(PREFORK, echo.endpoint)
    assert (said.count("Hello"), said.count("worker done"), complaints, status) == (3, 8, "", 0)
    row("fork, as gunicorn does with a preloaded application", "every answer, in parent and workers", "")


def test_a_fork_with_a_stream_open(row: Row) -> None:
    """A fork while a stream is open leaves the stream to the parent."""
    script = ScriptEngine().reply("One,", " two").reply("Hello")
    with serve(script) as server:
        said, complaints, status = run(STREAM_OPEN, server.endpoint)
    assert (said, complaints, status) == ("1\n", "", 0)
    row("fork with a stream open", "the stream goes on in the parent, the child connects anew", "")


@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
def test_multiprocessing(start: str, row: Row, tmp_path: Path) -> None:
    """Processes of multiprocessing, however they start and are replaced after some work, each call on their own."""
    program = f"""
    import multiprocessing, sys
    import genai_grpc as genai

    def ask(endpoint):
        model = genai.GenerativeModel(client=genai.Client(endpoint=endpoint))
        return [model.generate_content("Hi").text for _ in range(3)]

    CLIENT = None

    def reuse(endpoint):
        # As a celery worker does: one client for many tasks.
        global CLIENT
        CLIENT = CLIENT or genai.Client(endpoint=endpoint)
        return [genai.GenerativeModel(client=CLIENT).generate_content("Hi").text]

    if __name__ == "__main__":
        ask(sys.argv[1])
        with multiprocessing.get_context({start!r}).Pool(2, maxtasksperchild=3) as pool:
            answers = pool.map(reuse, [sys.argv[1]] * 12, chunksize=1) + pool.map(ask, [sys.argv[1]] * 4, chunksize=1)
        print(sum(map(len, answers)))
    """
    # The other ways to start than fork need a file to import.
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(program))
    with serve(Echo()) as server:
        said, complaints, status = run(
            f"import runpy; runpy.run_path({str(file)!r}, run_name='__main__')", server.endpoint
        )
    assert (said, complaints, status) == ("24\n", "", 0)
    row(f"multiprocessing ({start}), workers replaced after 3 tasks", "every answer", "")


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


@pytest.mark.parametrize("colour", SLOW_READERS)
def test_a_slow_reader(colour: str, row: Row) -> None:
    """A reader that rests does not take in what the server would send: the admission control of HTTP/2 holds it back."""
    with serve(Echo(*["x" * 2**20] * 500)) as server:
        said, complaints, status = run(SLOW_READERS[colour], server.endpoint)
    assert (complaints, status) == ("", 0)
    grown = int(said) / 1024
    assert grown < 100  # of the 500 MiB on offer
    row("a reader that rests, 500 MiB on offer", "what it read", f"{grown:.0f} MiB taken in meanwhile ({colour})")


def test_asyncio_run_several_times(echo: Server, row: Row) -> None:
    """One client serves one loop after the other, closed or not in between."""
    client = genai.Client(endpoint=echo.endpoint)
    model = genai.GenerativeModel(client=client)

    async def ask(close: bool) -> str:
        text = (await model.generate_content_async("Hi")).text
        if close:
            await client.aclose()
        return text

    for number in range(6):
        assert asyncio.run(ask(close=number % 2 == 0)) == "Hello"
        assert model.generate_content("Hi").text == "Hello"
    client.close()
    row("asyncio.run, several times", "every answer", "")


def test_threads_and_loops(echo: Server, row: Row) -> None:
    """Threads with loops of their own share one client, and its bound on calls in flight, with threads without."""
    client = genai.Client(endpoint=echo.endpoint, max_in_flight=5)
    model = genai.GenerativeModel(client=client)

    async def ask() -> int:
        responses = await asyncio.gather(*(model.generate_content_async("Hi") for _ in range(25)))
        return len([response.text for response in responses])

    def ask_sync() -> int:
        return len([model.generate_content("Hi").text for _ in range(25)])

    with ThreadPoolExecutor(8) as pool:
        counts = [pool.submit(asyncio.run, ask()) for _ in range(4)] + [pool.submit(ask_sync) for _ in range(4)]
        assert sum(count.result() for count in counts) == 200
    client.close()
    row("4 loops and 4 threads on one client, 5 in flight", "every answer", "")


EXITS: Final = {
    "a call on a daemon thread": """
        import sys, threading, time
        import genai_grpc as genai
        model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1]))
        threading.Thread(target=model.generate_content, args=("Hi",), daemon=True).start()
        time.sleep(0.5)
        print("end")
    """,
    "streams open": """
        import sys
        import genai_grpc as genai
        model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1]))
        responses = [model.generate_content("Hi", stream=True) for _ in range(3)]
        print("end")
    """,
    "tasks in flight": """
        import asyncio, sys
        import genai_grpc as genai
        async def main():
            model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1]))
            tasks = [asyncio.create_task(model.generate_content_async("Hi")) for _ in range(3)]
            await asyncio.sleep(0.5)
            print("end")
        asyncio.run(main())
    """,
    "an async stream open": """
        import asyncio, sys
        import genai_grpc as genai
        response = None
        async def main():
            global response
            model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1]))
            response = await model.generate_content_async("Hi", stream=True)
            print("end")
        asyncio.run(main())
    """,
    "sys.exit in a stream": """
        import sys
        import genai_grpc as genai
        model = genai.GenerativeModel(client=genai.Client(endpoint=sys.argv[1]))
        for chunk in model.generate_content("Hi", stream=True):
            print("end")
            sys.exit(0)
    """,
}


@pytest.mark.parametrize("how", EXITS)
def test_exit_with_calls_in_flight(how: str, row: Row) -> None:
    """A program may end with calls in flight: it does not hang and says nothing."""
    script = ScriptEngine()
    for _ in range(3):
        script.reply("One,", STALL)
    server = serve(script)  # not in a block, whose end would want all three replies asked for
    server.start()
    try:
        said, complaints, status = run(EXITS[how], server.endpoint)
    finally:
        server.stop()
    assert (said, complaints, status) == ("end\n", "", 0)
    row(f"the program ends with {how}", "it ends, in silence", "")
