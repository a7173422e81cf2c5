# A client of gRPC by another implementation. `calls`: makes each call that a line of JSON describes, and says in a line how it went. `storm`: keeps
# many bidirectional streams going until its input ends, and says what was lost.
import asyncio
import json
import sys

import grpc


async def calls(target):
    async with grpc.aio.insecure_channel(target) as channel:
        for line in sys.stdin:
            wanted = json.loads(line)
            print(json.dumps(await call(channel, wanted)), flush=True)


async def call(channel, wanted):
    replies = []
    ways = {"UU": channel.unary_unary, "SU": channel.stream_unary, "US": channel.unary_stream, "SS": channel.stream_stream}
    kind = wanted["kind"]
    sent = [text.encode() for text in wanted["send"]]
    begun = ways[kind](wanted["method"])(iter(sent) if kind[0] == "S" else sent[0], timeout=wanted.get("timeout"))
    try:
        if kind[1] == "U":
            replies.append((await begun).decode())
        else:
            async for reply in begun:
                replies.append(reply.decode())
                if len(replies) == wanted.get("cancel_after"):
                    begun.cancel()
    except (grpc.RpcError, asyncio.CancelledError):
        pass
    return {"status": (await begun.code()).name, "message": await begun.details(), "replies": replies}


async def storm(target, streams):
    stop = asyncio.Event()
    # A connection of its own for every fifty streams: only so many may be open on one.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(target, options) for _ in range((streams + 49) // 50)]
    opened = [asyncio.Event() for _ in range(streams)]
    running = [asyncio.create_task(keep(channels[at // 50], opened[at], stop)) for at in range(streams)]
    for event in opened:
        await event.wait()
    print(json.dumps({"open": streams}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    stop.set()
    ends = await asyncio.gather(*running)
    lost = [fault for _, fault in ends if fault]
    print(json.dumps({"messages": sum(n for n, _ in ends), "lost": lost}), flush=True)
    for channel in channels:
        await channel.close()


# How many messages came back, and what went wrong.
async def keep(channel, opened, stop):
    number = 0
    stream = channel.stream_stream("/test.Peer/Echo")()
    try:
        while not stop.is_set():
            await stream.write(b"%d" % number)
            if await stream.read() != b"%d" % number:
                return number, "another message"
            number += 1
            opened.set()
            try:
                await asyncio.wait_for(stop.wait(), 0.05)
            except asyncio.TimeoutError:
                pass
        await stream.done_writing()
        if await stream.read() is not grpc.aio.EOF:
            return number, "more than was sent"
        code = await stream.code()
        return number, None if code == grpc.StatusCode.OK else str(code)
    except grpc.RpcError as error:
        return number, f"{error.code()} {error.details()}"
    finally:
        opened.set()


if sys.argv[1] == "calls":
    asyncio.run(calls(sys.argv[2]))
else:
    asyncio.run(storm(sys.argv[2], int(sys.argv[3])))
