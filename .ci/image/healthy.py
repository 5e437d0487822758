"""Say by the exit code whether the Tassel of this container is ready: what HEALTHCHECK runs."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

host, _, port = os.environ["TASSEL_BIND"].rpartition(":")
if host in {"0.0.0.0", "[::]", ""}:
    host = "127.0.0.1"
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    opener.open(f"http://{host}:{port}/readyz", timeout=4).close()
except urllib.error.HTTPError as error:
    sys.exit(f"not ready: {error.code} {error.read(2000).decode(errors='replace')}")
except OSError as error:
    sys.exit(f"no answer: {error}")
