"""A hub on uWebSockets (PyPI `socketify`) with its native loop; Python runs for a subscription and a publication only.

`s1` from a client subscribes it to `s1` and is confirmed with `ok`. POST /pub/s1 publishes its body; POST /pub has a
stream, a space and a message on each line.
"""

import sys

from socketify import App, AppListenOptions, OpCode

app = App()


def subscribe(ws, message, _):
    ws.subscribe(message)
    ws.send("ok", OpCode.TEXT)


def publish(res, req):
    stream = req.get_parameter(0) if req.get_url() != "/pub" else None
    parts = []

    def take(res, chunk, is_last, *_):
        parts.append(bytes(chunk) if chunk else b"")
        if not is_last:
            return
        body = b"".join(parts).decode()
        res.end("")
        if stream:
            app.publish(stream, body, OpCode.TEXT)
        else:
            for line in body.splitlines():
                name, _, message = line.partition(" ")
                app.publish(name, message, OpCode.TEXT)

    res.on_data(take)


app.ws("/sub/*", {
    "compression": 0, "idle_timeout": 0, "send_pings_automatically": False, "max_backpressure": 1024 * 1024,
    "message": subscribe})
app.post("/pub/:stream", publish)
app.post("/pub", publish)
app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"))
app.loop.uv_loop.run()
