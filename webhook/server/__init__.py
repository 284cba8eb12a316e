"""The webhook server: its ports, TLS, reload, workers, metrics and log.

It passes the bytes of a review to webhook.admission and sends the answer back; it decides nothing itself. The path of a
review, call by call:

1. accepting.Acceptor accepts a connection, and has its TLS handshake made.
2. protocol.Connection has incoming.Incoming parse a request, or knownheads recognise its head if it came before; heads
   says what a head means, and port.Port bounds what the connections hold.
3. reviews.Reviews.answer has it evaluated now, or queues it in turns.Turns.
4. reviews.Reviews._answered parses it, has the engine decide, and writes the reply. A policy in Python runs by
   isolation; what needs the API server first is awaited, and decided again.
5. Reviews reports the outcome to metrics, logs, sight, events, recording and seen.
6. Connection._write sends the answer, and keeps the connection or closes it.

Around it: process loads everything and runs lifecycle, which serves both ports in one process or in several (workers,
together, gathering), and ends them; listening is the server of one port. While it serves, reload and installing replace
the policies, and certificates the certificate.
"""
