"""A server on this machine while a test runs, for what answers in the place of public ones."""

import contextlib
import http.server
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers in silence; a test adds `do_GET` and its like."""

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving(handler: type[Handler], port: int = 0):
    """Yields the server's address; port 0 is a free one."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
