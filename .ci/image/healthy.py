"""Say by the exit code whether the Tassel of this container is ready: what HEALTHCHECK runs."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

# An address that means "every interface" can also be connected to, so TASSEL_BIND serves as it is.
ready = f"http://{os.environ['TASSEL_BIND']}/readyz"
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    opener.open(ready, timeout=4).close()
except urllib.error.HTTPError as error:
    sys.exit(f"not ready: {error.code} {error.read(2000).decode(errors='replace')}")
except OSError as error:
    sys.exit(f"no answer: {error}")
