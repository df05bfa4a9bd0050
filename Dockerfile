# syntax=docker/dockerfile:1
# UNTESTED: the machines Pilothouse is built on cannot run Docker, so this file has never been built.
# Build:  docker build -t pilothouse .
# Run:    docker run -p 8080:8080 -v pilothouse:/var/lib/pilothouse pilothouse
# The root key it makes is in the volume: docker exec CONTAINER cat /var/lib/pilothouse/keys/root.key

FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/pilothouse && /opt/pilothouse/bin/pip install --no-cache-dir --upgrade "pip>=25.1"
COPY pyproject.toml README.md LICENSE ./
# Node comes as a wheel and stays in this stage.
RUN python -m venv /opt/tools && /opt/tools/bin/pip install --no-cache-dir --upgrade "pip>=25.1" \
    && /opt/tools/bin/pip install --no-cache-dir --group console
COPY scripts/ scripts/
COPY console/ console/
COPY src/ src/
RUN /opt/tools/bin/python scripts/build_console.py && /opt/pilothouse/bin/pip install --no-cache-dir .

FROM python:3.11-slim
# xllamacpp's wheel needs OpenMP's run-time library.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --home-dir /var/lib/pilothouse --uid 10001 pilothouse \
    && chmod 0700 /var/lib/pilothouse
COPY --from=build /opt/pilothouse /opt/pilothouse
ENV PATH=/opt/pilothouse/bin:$PATH PILOTHOUSE_HOME=/var/lib/pilothouse PILOTHOUSE_HOST=0.0.0.0
USER pilothouse
VOLUME /var/lib/pilothouse
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --start-period=120s --retries=6 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/readyz', timeout=5)"]
ENTRYPOINT ["pilothouse"]
CMD ["up"]
