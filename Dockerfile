# syntax=docker/dockerfile:1
# The image holds what `make setup` builds: hashed requirements, the package, and a compiled core.

FROM python:3.13-slim AS build

# The compiler stays in this stage; the image that runs has none.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /build
# Two environments, so that what compiles the package never reaches the image that runs it. Requirements come before the
# sources, so that a changed source does not install them again.
COPY requirements requirements
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
    && python -m venv /opt/augury \
    && /opt/augury/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt

COPY pyproject.toml setup.py README.md LICENSE ./
COPY src src
# AUGURY_COMPILE=1 makes a core that does not compile fail the build instead of running slowly.
RUN AUGURY_COMPILE=1 /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /build/wheel . \
    && /opt/augury/bin/pip install --no-cache-dir --no-deps /build/wheel/*.whl

FROM python:3.13-slim

RUN useradd --system --uid 10001 --create-home augury \
    && install --directory --owner=augury --group=augury /data
COPY --from=build /opt/augury /opt/augury

USER augury
WORKDIR /home/augury
ENV PATH=/opt/augury/bin:$PATH \
    PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8080
# SIGTERM stops gracefully: requests are finished, a snapshot is written.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
ENTRYPOINT ["augury"]
CMD ["serve", "--data", "/data", "--host", "0.0.0.0", "--port", "8080"]
