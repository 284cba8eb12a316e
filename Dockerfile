# syntax=docker/dockerfile:1
# Gatewright as an image. The policies that it runs are not in it: they are mounted at /etc/gatewright/policies, so that
# nothing is enforced that nobody chose, and a policy changes without a build. (The wheel brings the policy library
# along, from which `gatewright policies add` copies.)
#
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" --build-arg CREATED="$(date -u +%FT%TZ)" -t gatewright:dev .
#
# Debian, for the CEL package has no wheels for musl. To build the same thing again years from now, pin the digest too:
# --build-arg PYTHON_IMAGE=docker.io/library/python:3.13.9-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=docker.io/library/python:3.13.9-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# What is installed: requirements-otel.lock has what `serve --traces` needs besides.
ARG LOCK=requirements.lock
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
ENV VENV=/opt/gatewright
WORKDIR /build
COPY requirements.lock requirements-otel.lock requirements-dev.lock ./
# Wheels only, each with a hash of the lock: nothing is compiled, and nothing runs code of its own to be installed.
RUN python -m venv --without-pip "$VENV" \
 && python -m pip --python "$VENV/bin/python" install --require-hashes --only-binary=:all: -r "$LOCK"
# The one tool that builds our own wheel, at the version of the development lock.
RUN awk '/^[^ ]/ {wanted = /^setuptools==/} wanted' requirements-dev.lock > build.lock \
 && python -m venv --without-pip tools \
 && python -m pip --python tools/bin/python install --require-hashes --only-binary=:all: -r build.lock
COPY pyproject.toml setup.py README.md LICENSE ./
COPY webhook webhook
COPY gatewright gatewright
COPY policies policies
RUN python -m pip --python tools/bin/python wheel --no-deps --no-build-isolation --no-index --wheel-dir wheels . \
 && python -m pip --python "$VENV/bin/python" install --no-deps --no-index wheels/gatewright-*.whl \
 && python -m pip --python "$VENV/bin/python" check \
 && "$VENV/bin/gatewright" serve --help > help.txt

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="gatewright" \
      org.opencontainers.image.description="A policy-as-code admission server for Kubernetes" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13.9-slim-bookworm"
COPY --from=build /opt/gatewright /opt/gatewright
ENV PATH=/opt/gatewright/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    GATEWRIGHT_POLICIES=/etc/gatewright/policies \
    GATEWRIGHT_HOST=0.0.0.0
# A number, for runAsNonRoot cannot see through a name. It owns nothing in the image.
USER 65532:65532
WORKDIR /
EXPOSE 8443 8080
# For those who run it without Kubernetes, which has probes of its own.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('GATEWRIGHT_PLAIN_PORT', '8080') + '/healthz', timeout=2)"]
ENTRYPOINT ["gatewright"]
CMD ["serve"]
