"""A small Action Cable server whose behaviour a test chooses: action_cable_server.py PORT FOLDER.

FOLDER/behaviour.json is read at each connection, FOLDER/journal.jsonl gets a line for each event. Channels:

- Any channel is confirmed; RejectingChannel is rejected, LateChannel confirmed after half a second, and GreetingChannel
  sends a message before its confirmation.
- Actions: `echo` answers, `broadcast` sends its text to all subscribers of the same identifier in this process, `quiet`
  does nothing, `hang_up` ends the connections of all other clients (with its text as the reason of a `disconnect`), `die`
  ends the process without an answer. `flood` sends `count` messages of `size` bytes. `stall` reads nothing more, sends a
  message after half a second, and ends the connection after another half, or with `dies` the process.
- behaviour.json: {"status": 404} answers each upgrade with that status, {"welcome": {...}} adds members to the welcome,
  {"disconnect": reason} disconnects each client instead of a welcome, {"reject": [channel]} rejects these channels,
  {"subprotocol": null} chooses none, {"boot": seconds} listens later, {"respond": {cookie: seconds}} responds to
  upgrades later, {"hang_up": cookie} ends each connection with this cookie after its first confirmation, {"silent": "after
  its 101"} or {"silent": "after one ping"} sends nothing more.
"""

import asyncio
import http
import json
import os
import signal
import sys
import time
from pathlib import Path

from websockets.asyncio.server import serve

PORT, FOLDER = int(sys.argv[1]), Path(sys.argv[2])
subscribers = {}


def note(**event):
    with (FOLDER / "journal.jsonl").open("a") as journal:
        journal.write(json.dumps({"pid": os.getpid(), "at": time.monotonic(), **event}) + "\n")


def behaviour():
    try:
        return json.loads((FOLDER / "behaviour.json").read_text())
    except FileNotFoundError:
        return {}


async def respond(connection, request):
    status = behaviour().get("status")
    note(event="request", path=request.path, cookie=request.headers.get("Cookie"), key=request.headers.get("Sec-WebSocket-Key"),
         extensions=request.headers.get("Sec-WebSocket-Extensions"), origin=request.headers.get("Origin"),
         host=request.headers.get("Host"))
    await asyncio.sleep(behaviour().get("respond", {}).get(request.headers.get("Cookie"), 0))
    if status:
        return connection.respond(http.HTTPStatus(status), f"refused with {status}\n")


async def pings(client):
    while True:
        await client.send(json.dumps({"type": "ping", "message": int(time.time())}))
        await asyncio.sleep(3)


async def answer(client, message):
    command, identifier = message["command"], message["identifier"]
    channel = json.loads(identifier)["channel"]
    if command == "subscribe":
        if channel == "RejectingChannel" or channel in behaviour().get("reject", []):
            return await client.send(json.dumps({"identifier": identifier, "type": "reject_subscription"}))
        if channel == "LateChannel":
            await asyncio.sleep(0.5)
        if channel == "GreetingChannel":
            await client.send(json.dumps({"identifier": identifier, "message": "hello"}))
        subscribers.setdefault(identifier, set()).add(client)
        await client.send(json.dumps({"identifier": identifier, "type": "confirm_subscription"}))
        if behaviour().get("hang_up", "") == client.request.headers.get("Cookie"):
            await client.close()
    elif command == "unsubscribe":
        subscribers.get(identifier, set()).discard(client)
    elif command == "message":
        data = json.loads(message["data"])
        if data["action"] == "echo":
            text = json.dumps({"identifier": identifier, "message": {"echo": data.get("text"), "pid": os.getpid()}})
            await client.send(text)
        elif data["action"] == "broadcast":
            text = json.dumps({"identifier": identifier, "message": data.get("text")})
            for other in list(subscribers.get(identifier, [])):
                await other.send(text)
        elif data["action"] == "hang_up":
            for other in [other for others in subscribers.values() for other in others if other is not client]:
                if data.get("text"):
                    await other.send(json.dumps({"type": "disconnect", "reason": data["text"], "reconnect": True}))
                await other.close()
            await client.send(json.dumps({"identifier": identifier, "message": "done"}))
        elif data["action"] == "flood":
            for number in range(data["count"]):
                body = {"number": number, "filling": "x" * data["size"]}
                await client.send(json.dumps({"identifier": identifier, "message": body}))
        elif data["action"] == "stall":
            client.transport.pause_reading()
            await asyncio.sleep(0.5)
            await client.send(json.dumps({"identifier": identifier, "message": "stalled"}))
            await asyncio.sleep(0.5)
            if data.get("dies"):
                os._exit(1)
            client.transport.abort()
        elif data["action"] == "die":
            os._exit(1)


async def converse(client):
    chosen = behaviour()
    if "disconnect" in chosen:
        await client.send(json.dumps({"type": "disconnect", "reason": chosen["disconnect"], "reconnect": False}))
        return
    silent = chosen.get("silent")
    if silent == "after its 101":
        await asyncio.sleep(3600)
    await client.send(json.dumps({"type": "welcome", **chosen.get("welcome", {})}))
    if silent:
        await client.send(json.dumps({"type": "ping", "message": int(time.time())}))
        await asyncio.sleep(3600)
    pinging = asyncio.create_task(pings(client))
    try:
        async for text in client:
            try:
                message = json.loads(text)
            except ValueError:
                note(event="invalid", text=text)
                continue
            note(event="command", **message)
            await answer(client, message)
    finally:
        pinging.cancel()
        note(event="closed", code=client.close_code)
        for others in subscribers.values():
            others.discard(client)


async def main():
    await asyncio.sleep(behaviour().get("boot", 0))
    subprotocols = behaviour().get("subprotocols", ["actioncable-v1-json"])
    async with serve(converse, "127.0.0.1", PORT, process_request=respond, subprotocols=subprotocols, ping_interval=None):
        note(event="listening")
        loop = asyncio.get_running_loop()
        # Like Puma it finishes what it is doing.
        loop.add_signal_handler(signal.SIGTERM, loop.call_later, 0.1, os._exit, 0)
        await loop.create_future()


asyncio.run(main())
