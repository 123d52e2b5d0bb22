"""A bare gRPC server in a process of its own, which answers by what it is sent."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Literal

_SERVER = """
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc
handlers = {
    "unary": grpc.unary_unary_rpc_method_handler(lambda request, context: request),
    "stream": grpc.stream_stream_rpc_method_handler(lambda requests, context: requests),
}
class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        return handlers[sys.argv[1]]
server = grpc.server(ThreadPoolExecutor(8))
server.add_generic_rpc_handlers((Echo(),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
"""


@contextlib.contextmanager
def echoing(kind: Literal["unary", "stream"]) -> Iterator[str]:
    """Its address, until the block ends; any method of one message, or of many."""
    command = [sys.executable, "-c", _SERVER, kind]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        yield f"127.0.0.1:{int(server.stdout.readline())}"
        server.kill()
