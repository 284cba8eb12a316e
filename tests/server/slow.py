"""Clients that send one byte per second, in their own process: `python -m tests.server.slow PORT COUNT`.

Prints a line once all are connected. A client reconnects when the server closes its connection. Ends when stdin ends,
or after two minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import sys
import threading

MOST_SECONDS = 120
REQUEST = (
    b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 900000\r\n\r\n"
    + b" " * 500
)


async def client(number: int, port: int, trust: ssl.SSLContext, connected: asyncio.Semaphore) -> None:
    """Clients with an odd number are slow in the head of their request, the others in its body."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
            connected.release()
            begin = 0 if number % 2 else 120
            writer.write(REQUEST[:begin])
            for at in range(begin, len(REQUEST)):
                if reader.at_eof():
                    break
                writer.write(REQUEST[at : at + 1])
                await asyncio.sleep(1)
            writer.close()
        await asyncio.sleep(0.1)


async def main(port: int, count: int) -> None:
    trust = ssl.create_default_context()
    trust.check_hostname = False
    trust.verify_mode = ssl.CERT_NONE  # loopback; nothing depends on who answers
    connected = asyncio.Semaphore(0)
    clients = [asyncio.create_task(client(number, port, trust, connected)) for number in range(count)]
    for _ in clients:
        await connected.acquire()
    print("connected", flush=True)
    await asyncio.sleep(MOST_SECONDS)


if __name__ == "__main__":
    import uvloop

    threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
