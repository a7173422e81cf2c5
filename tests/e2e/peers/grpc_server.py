# A server of gRPC with methods of every kind, by another implementation. Its messages are bytes. Says its port, and then each call that was
# taken back.
import asyncio
import sys

import grpc


def say(*words):
    print(*words, flush=True)


async def unary(request, context):
    return request


async def gather(requests, context):
    return b"+".join([request async for request in requests])


async def count(request, context):
    for number in range(int(request)):
        yield b"%d" % number


async def echo(requests, context):
    async for request in requests:
        yield request


async def fail(request, context):
    await context.abort(grpc.StatusCode.NOT_FOUND, request.decode())


async def fail_late(request, context):
    yield b"one"
    await context.abort(grpc.StatusCode.DATA_LOSS, "after one")


async def time_left(request, context):
    left = context.time_remaining()
    return b"none" if left is None else b"%d" % (left * 1000)


async def hang(requests, context):
    try:
        yield b"begun"
        await asyncio.Event().wait()
    finally:
        say("taken back")


async def hang_unary(request, context):
    try:
        await asyncio.Event().wait()
    finally:
        say("taken back")


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Gather": grpc.stream_unary_rpc_method_handler(gather),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Echo": grpc.stream_stream_rpc_method_handler(echo),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "FailLate": grpc.unary_stream_rpc_method_handler(fail_late),
    "TimeLeft": grpc.unary_unary_rpc_method_handler(time_left),
    "Hang": grpc.stream_stream_rpc_method_handler(hang),
    "HangUnary": grpc.unary_unary_rpc_method_handler(hang_unary),
}


async def main():
    server = grpc.aio.server(options=[("grpc.max_concurrent_streams", 1000)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Peer", METHODS),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    say("port", port)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop(None)


asyncio.run(main())
