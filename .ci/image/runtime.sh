#!/bin/sh
# The last stage of the Dockerfile: what lays out certificates, an account without rights, and the one folder it
# may write to.
set -eu
apt-get update
apt-get install --yes --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core
rm -rf /var/lib/apt/lists/*
groupadd --gid 10001 tassel
useradd --uid 10001 --gid tassel --home-dir /data --no-create-home --shell /usr/sbin/nologin tassel
install -d -o tassel -g tassel -m 0700 /data
rm /tmp/runtime.sh
