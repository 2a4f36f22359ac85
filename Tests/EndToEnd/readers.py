"""HTTP servers that other people wrote, each telling what it read: `readers.py aiohttp|h11 PORT`; Puma has readers.ru."""

import json
import socket
import sys
import threading


def told(reader, total, method, target, fields, body):
    """What was read, as an answer's body; bytes stand as Latin-1, so that none is lost."""
    return json.dumps({
        "reader": reader, "total": total, "method": method, "target": target,
        "fields": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in fields],
        "body": body.decode("latin-1"),
    }).encode()


def serve_aiohttp(port):
    """llhttp, the parser of Node, behind aiohttp."""
    from aiohttp import web
    from aiohttp.http_parser import HttpRequestParser

    assert "_c" in HttpRequestParser.__module__ or "Py" not in HttpRequestParser.__name__, "this is the slow fallback"
    total = 0

    async def answer(request):
        nonlocal total
        body = await request.read()
        total += 1
        return web.Response(body=told(
            "aiohttp", total, request.method, request.raw_path, request.raw_headers, body))

    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_route("*", "/{anything:.*}", answer)
    web.run_app(application, host="127.0.0.1", port=port, print=None, access_log=None)


def serve_h11(port):
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    total = [0]
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_converse_h11, args=(connection, total), daemon=True).start()


def _converse_h11(connection, total):
    import h11

    machine = h11.Connection(h11.SERVER)
    with connection:
        try:
            while True:
                request, body = None, b""
                while True:
                    event = machine.next_event()
                    if event is h11.NEED_DATA:
                        machine.receive_data(connection.recv(65536))
                    elif isinstance(event, h11.Request):
                        request = event
                    elif isinstance(event, h11.Data):
                        body += bytes(event.data)
                    elif isinstance(event, h11.EndOfMessage):
                        break
                    else:
                        return  # Closed, or paused for a close.
                total[0] += 1
                content = told(
                    "h11", total[0], request.method.decode(), request.target.decode("latin-1"),
                    request.headers.raw_items(), body)
                connection.sendall(
                    machine.send(h11.Response(status_code=200, headers=[("Content-Length", str(len(content)))]))
                    + machine.send(h11.Data(data=content)) + machine.send(h11.EndOfMessage()))
                if machine.our_state is h11.MUST_CLOSE or machine.their_state is h11.MUST_CLOSE:
                    return
                machine.start_next_cycle()
        except h11.RemoteProtocolError:
            try:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            except OSError:
                pass
        except OSError:
            pass


if __name__ == "__main__":
    {"aiohttp": serve_aiohttp, "h11": serve_h11}[sys.argv[1]](int(sys.argv[2]))
