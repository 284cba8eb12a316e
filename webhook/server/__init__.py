"""The webhook server: its ports, TLS, reload, workers, metrics and log.

It passes the bytes of a review to webhook.admission and sends the answer back; it decides nothing itself. The path of a
review, call by call:

1. port.accepting.Acceptor accepts a connection, and has its TLS handshake made.
2. port.protocol.Connection has port.incoming.Incoming parse a request, or port.knownheads recognise its head if it came
   before; port.heads says what a head means, and port.connections.Port bounds what the connections hold.
3. reviews.answering.Reviews.answer has it evaluated now, or queues it in reviews.turns.Turns.
4. Reviews._answered parses it, has the engine decide, and writes the reply. A policy in Python runs by
   python.isolation; what needs the API server first is awaited, and decided again.
5. Reviews reports the outcome to telemetry (logs, metrics, recording, seen), to cluster.events and to reviews.sight.
6. Connection._write sends the answer, and keeps the connection or closes it.

Around it: life.process loads everything and runs life.lifecycle, which serves both ports in one process or in several,
and ends them; port.listening is the server of one port. While it serves, policies.reload and policies.installing
replace the policies, and port.certificates the certificate.

What several rooms need stands here: settings, the state that both ports share, the bound of memory, doors between
processes, limits of processes.
"""
