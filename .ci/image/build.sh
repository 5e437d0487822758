#!/bin/sh
# The build stage of the Dockerfile, in two steps so that a change of the code does not install everything again:
#   dependencies   the locked packages into /opt/tassel, the browser libraries into /src/node_modules
#   tassel         the wheel of /src, installed into /opt/tassel
set -eu
cd /src

dependencies() {
    if ! command -v npm >/dev/null; then
        apt-get update
        apt-get install --yes --no-install-recommends npm
    fi
    npm ci --omit=dev --no-audit --no-fund
    python3 -m venv /opt/tassel
    /opt/tassel/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
    python3 -m venv /opt/build
    /opt/build/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements-build.lock
}

tassel() {
    mkdir -p app/web/static/vendor
    cp node_modules/htmx.org/dist/htmx.min.js app/web/static/vendor/
    if [ -n "$(find app/translations -name '*.po' 2>/dev/null)" ]; then
        /opt/tassel/bin/pybabel compile -d app/translations
    fi
    /opt/build/bin/hatchling build -t wheel
    /opt/tassel/bin/pip install --no-cache-dir --no-index --no-deps dist/*.whl
}

"$1"
