# Tassel in one container: web and worker, one volume, nothing else needed.
# Any Debian-like image with Python >= 3.11 and its venv serves as BASE.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
COPY .ci/image/build.sh /src/.ci/image/
COPY package.json package-lock.json requirements.lock requirements-build.lock /src/
RUN sh /src/.ci/image/build.sh dependencies
COPY pyproject.toml README.md LICENSE /src/
COPY lti_config /src/lti_config
COPY migrations /src/migrations
COPY app /src/app
RUN sh /src/.ci/image/build.sh tassel

FROM ${BASE}
COPY .ci/image/runtime.sh /tmp/
RUN sh /tmp/runtime.sh
COPY --from=build /opt/tassel /opt/tassel
COPY .ci/image/healthy.py /opt/tassel/healthy.py
ENV PATH=/opt/tassel/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    TASSEL_BIND=0.0.0.0:8080 \
    TASSEL_DATA_DIR=/data
USER tassel
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/opt/tassel/bin/python", "/opt/tassel/healthy.py"]
ENTRYPOINT ["tassel"]
CMD ["serve"]
