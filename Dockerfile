FROM python:3.13-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml hatch_build.py README.md ./
COPY app app
COPY schemas schemas
COPY topics topics
RUN python -m venv /opt/reengage && /opt/reengage/bin/pip install --no-cache-dir .

FROM python:3.13-slim
COPY --from=build /opt/reengage /opt/reengage
RUN useradd --create-home reengage && mkdir /data && chown reengage /data
USER reengage
ENV PATH=/opt/reengage/bin:$PATH REENGAGE_DATA=/data PYTHONUNBUFFERED=1
VOLUME /data
ENTRYPOINT ["reengage"]
CMD ["worker"]
