"""Other implementations of WebSocket for websocket_peers.rs: servers that send back what they get, and clients.

    serve h1        by HTTP/1.1, the library websockets; says its port
    serve h2        by HTTP/2 (RFC 8441), the libraries h2 and wsproto; says its port
    cases h1 PORT   each case on a connection of HTTP/1.1; says what came back
    cases h2 PORT   the same on streams of HTTP/2
    chat PORT       the client of websockets, with a subprotocol and compression

What comes back is said frame by frame, so that a way through a proxy can be compared with the way without it.
"""

import asyncio, base64, hashlib, json, os, socket, struct, sys, threading
import h2.config, h2.connection, h2.events, h2.settings
import websockets.asyncio.server, websockets.sync.client
import wsproto, wsproto.connection, wsproto.events

CONNECT = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
PATIENCE = 20


class Http2:
    """One connection of HTTP/2, either side; bodies wait for the windows."""

    def __init__(self, sock, client):
        self.sock = sock
        config = h2.config.H2Configuration(client_side=client, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)
        if not client:
            first = {CONNECT: 1, h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 100}
            self.h2.local_settings = h2.settings.Settings(client=False, initial_values=first)
        self.h2.initiate_connection()
        self.out = {}
        self.flush()

    def events(self):
        """What comes next; None at the end of the connection."""
        data = self.sock.recv(65536)
        if not data:
            return None
        events = self.h2.receive_data(data)
        for event in events:
            if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        self.flush()
        return events

    def send(self, stream, data, end=False):
        waiting, ends = self.out.get(stream, (b"", False))
        self.out[stream] = (waiting + data, ends or end)
        self.flush()

    def flush(self):
        for stream, (data, end) in list(self.out.items()):
            try:
                while data:
                    n = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(data))
                    if n <= 0:
                        break
                    self.h2.send_data(stream, data[:n])
                    data = data[n:]
                if end and not data:
                    self.h2.end_stream(stream)
            except h2.exceptions.ProtocolError:
                data, end = b"", False
            self.out[stream] = (data, end)
            if not data:
                del self.out[stream]
        self.sock.sendall(self.h2.data_to_send())


def serve_h2():
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=serve_connection, args=(listener.accept()[0],), daemon=True).start()


def serve_connection(sock):
    wire, streams = Http2(sock, client=False), {}
    while (events := wire.events()) is not None:
        for event in events:
            stream = getattr(event, "stream_id", None)
            if isinstance(event, h2.events.RequestReceived):
                head = dict(event.headers)
                assert (head[":method"], head[":protocol"]) == ("CONNECT", "websocket"), head
                assert "sec-websocket-key" not in head and head["sec-websocket-version"] == "13", head
                answer = [(":status", "200")]
                if "chat" in head.get("sec-websocket-protocol", ""):
                    answer.append(("sec-websocket-protocol", "chat"))
                wire.h2.send_headers(stream, answer)
                streams[stream] = [wsproto.connection.Connection(wsproto.ConnectionType.SERVER), b"", ""]
            elif isinstance(event, h2.events.DataReceived) and stream in streams:
                if not echo(wire, stream, streams[stream], event.data):
                    del streams[stream]
            elif isinstance(event, h2.events.StreamEnded) and streams.pop(stream, None):
                wire.send(stream, b"", end=True)
            elif isinstance(event, h2.events.StreamReset):
                streams.pop(stream, None)
        wire.flush()


def echo(wire, stream, state, data):
    ws = state[0]
    ws.receive_data(data)
    for event in ws.events():
        if isinstance(event, wsproto.events.Ping):
            wire.send(stream, ws.send(event.response()))
        elif isinstance(event, wsproto.events.CloseConnection):
            wire.send(stream, ws.send(event.response()), end=True)
            return False
        elif isinstance(event, wsproto.events.Message):
            kind = 1 if isinstance(event, wsproto.events.BytesMessage) else 2
            state[kind] += event.data
            if event.message_finished:
                wire.send(stream, ws.send(type(event)(data=state[kind])))
                state[1:] = [b"", ""]
    return True


async def serve_h1():
    async def back(connection):
        async for message in connection:
            await connection.send(message)

    serving = websockets.asyncio.server.serve(
        back, "127.0.0.1", 0, subprotocols=["chat"], max_size=None, ping_interval=None)
    async with serving as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.wait_closed()


class Client1:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall((
            "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n\r\n").encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += self.sock.recv(1) or b"\r\n\r\n"
        lines = head.decode().lower().split("\r\n")
        accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert " 101 " in lines[0], head
        assert b"accept: " + base64.b64encode(accept).lower() in head.lower(), head
        self.chosen = [line.split(": ")[1] for line in lines if line.startswith("sec-websocket-protocol")]

    def send(self, data):
        self.sock.sendall(data)

    def recv(self):
        return self.sock.recv(65536)

    def end(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()


class Client2:
    def __init__(self, port):
        self.wire = Http2(socket.create_connection(("127.0.0.1", port), PATIENCE), client=True)
        self.got, self.ended, self.head = b"", False, None
        while CONNECT not in self.wire.h2.remote_settings or not self.wire.h2.remote_settings[CONNECT]:
            self.turn()
        self.wire.h2.send_headers(1, [
            (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/"),
            (":authority", "test"), ("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat")])
        self.wire.flush()
        while self.head is None:
            self.turn()
        assert self.head[":status"] == "200", self.head
        assert "sec-websocket-accept" not in self.head and "upgrade" not in self.head, self.head
        self.chosen = [self.head["sec-websocket-protocol"]] if "sec-websocket-protocol" in self.head else []

    def turn(self):
        events = self.wire.events()
        if events is None:
            self.ended, self.head = True, self.head or {":status": "none"}
        for event in events or []:
            if isinstance(event, h2.events.ResponseReceived):
                self.head = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                self.got += event.data
            elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                self.ended, self.head = True, self.head or {":status": "none"}

    def send(self, data):
        self.wire.send(1, data)

    def recv(self):
        while not self.got and not self.ended:
            self.turn()
        data, self.got = self.got, b""
        return data

    def end(self):
        self.wire.send(1, b"", end=True)

    def close(self):
        self.wire.sock.close()


def frame(op, payload=b"", fin=1, rsv=0):
    """As a client sends it, masked."""
    mask = b"\x11\x22\x33\x44"
    n = len(payload)
    size = bytes([128 | n]) if n < 126 else b"\xfe" + struct.pack(">H", n) if n < 65536 else b"\xff" + struct.pack(">Q", n)
    key = (mask * (n // 4 + 1))[:n]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(n, "big")
    return bytes([fin << 7 | rsv << 4 | op]) + size + mask + masked


def bye(code, reason=b""):
    return frame(8, struct.pack(">H", code) + reason)


TEXT, BINARY, PING, PONG = 1, 2, 9, 10
KOSME = "κόσμε 𝄞".encode()
CASES = {f"text of {n}": [frame(TEXT, b"*" * n)] for n in (0, 1, 125, 126, 127, 65535, 65536)}
CASES |= {f"binary of {n}": [frame(BINARY, bytes(range(256)) * (n // 256))] for n in (256, 131072, 1 << 20, 4 << 20)}
CASES |= {
    "many messages": [frame(TEXT, str(n).encode()) for n in range(300)],
    "octet by octet": [bytes([octet]) for octet in frame(TEXT, KOSME) + frame(TEXT, b"p")],
    "fragments": [frame(TEXT, b"a", 0), frame(0, b"b", 0), frame(0, b"c")],
    "fragments of nothing": [frame(TEXT, b"", 0), frame(0, b"", 0), frame(0, b"")],
    "a ping between fragments": [frame(TEXT, b"a", 0), frame(PING, b"p"), frame(0, b"b")],
    "ping": [frame(PING, b"hello")], "ping of nothing": [frame(PING)], "longest ping": [frame(PING, b"p" * 125)],
    "ping too long": [frame(PING, b"p" * 126)], "ten pings": [frame(PING, b"%d" % n) for n in range(10)],
    "pong unasked": [frame(PONG, b"x"), frame(PING, b"y")], "ping in fragments": [frame(PING, b"a", 0), frame(0, b"b")],
    "reserved bit": [frame(TEXT, b"x", rsv=4)], "other reserved bit": [frame(PING, b"x", rsv=1)],
    "reserved opcode": [frame(3, b"x")], "reserved control": [frame(11, b"x")],
    "continuation of nothing": [frame(0, b"x")], "text in fragments": [frame(TEXT, b"a", 0), frame(TEXT, b"b")],
    "characters cut by fragments": [frame(TEXT, KOSME[:3], 0), frame(0, KOSME[3:5], 0), frame(0, KOSME[5:])],
    "not UTF-8": [frame(TEXT, b"\xce\xba\xed\xa0\x80")], "overlong UTF-8": [frame(TEXT, b"\xc0\xaf")],
    "not UTF-8 in the second fragment": [frame(TEXT, b"a", 0), frame(0, b"\xff")],
    "UTF-8 that ends early": [frame(TEXT, KOSME[:-1])],
    "close without a code": [frame(8)], "close of one octet": [frame(8, b"x")],
    "close with a long reason": [bye(1000, b"r" * 123)], "close too long": [bye(1000, b"r" * 124)],
    "close with a reason that is no UTF-8": [bye(1000, b"\xff")],
    "text behind a close": [bye(1000), frame(TEXT, b"x")], "ping behind a close": [bye(1000), frame(PING, b"x")],
}
CASES |= {f"close {code}": [bye(code)] for code in (
    0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1011, 1016, 2999, 3000, 3999, 4000, 4999, 5000, 65535)}


def frames(data):
    """What the server sent, whole frames only."""
    said = []
    while len(data) >= 2:
        n, at = data[1] & 127, 2
        if n > 125:
            at = 4 if n == 126 else 10
            n = int.from_bytes(data[2:at], "big")
        if len(data) < at + n:
            break
        payload = data[at:at + n]
        # A close is told by its code; whatever reason a server gives is its own.
        digest = payload[:2].hex() if data[0] & 15 == 8 else hashlib.sha1(payload).hexdigest()
        said.append([data[0], n, digest])
        data = data[at + n:]
    return said, len(data)


def wanted(data):
    """How many frames come back if nothing is wrong: one for each message, and for each ping."""
    count = 0
    while data:
        n, at = data[1] & 127, 6
        if n > 125:
            at = 8 if n == 126 else 14
            n = int.from_bytes(data[2:at - 4], "big")
        count += data[0] >> 7 and data[0] & 15 in (0, TEXT, BINARY, PING)
        data = data[at + n:]
    return count


def is_over(said, count):
    return len(said) >= count or any(first & 15 == 8 for first, _, _ in said)


def run(client, pieces):
    def send():
        try:
            for piece in pieces:
                client.send(piece)
        except (OSError, h2.exceptions.ProtocolError):
            pass

    # The library's connection is not for two threads; with a socket a large echo must be read beside.
    sending = threading.Thread(target=send)
    sending.start()
    if isinstance(client, Client2):
        sending.join()
    got, count, said_bye = b"", wanted(b"".join(pieces)), False
    try:
        while data := client.recv():
            got += data
            # A server that is told to close need not answer what it was sent before.
            if not said_bye and is_over(frames(got)[0], count):
                said_bye = True
                sending.join()
                client.send(bye(1000))
    except (OSError, h2.exceptions.ProtocolError) as error:
        assert not isinstance(error, TimeoutError), frames(got)
    sending.join()
    return frames(got)


def cases(kind, port):
    for name, pieces in CASES.items():
        client = (Client1 if kind == "h1" else Client2)(port)
        said, rest = run(client, pieces)
        client.close()
        print(json.dumps([name, client.chosen, said, rest]), flush=True)
    # A client that ends its side without a word still gets what it asked for.
    client = (Client1 if kind == "h1" else Client2)(port)
    client.send(frame(PING, b"last"))
    got = b""
    while len(got) < 6:
        got += client.recv() or b"nothing"
    client.end()
    while client.recv():
        pass
    print(json.dumps(["half-close", got[:6].hex()]))


def chat(port):
    with websockets.sync.client.connect(f"ws://127.0.0.1:{port}/", subprotocols=["chat"], max_size=None) as client:
        assert client.subprotocol == "chat", client.subprotocol
        for message in ["hello", "x" * 100_000, b"\x00\xff" * 50_000, ""]:
            client.send(message)
            assert client.recv(PATIENCE) == message
        assert client.ping(b"p").wait(PATIENCE)
    print("done", client.close_code)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", "h1"]:
            asyncio.run(serve_h1())
        case ["serve", "h2"]:
            serve_h2()
        case ["cases", kind, port]:
            cases(kind, int(port))
        case ["chat", port]:
            chat(int(port))
