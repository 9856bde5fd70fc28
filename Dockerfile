# impasto in a container: `docker build -t impasto .`, see docs/docker.md.
# TORCH is the index of PyTorch's wheels: the CPU's, or a CUDA version's such as .../whl/cu128.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ARG TORCH=https://download.pytorch.org/whl/cpu
WORKDIR /source
COPY pyproject.toml README.md LICENSE NOTICE constraints.txt ./
COPY docs/impasto.1 docs/
COPY src src
RUN python -m venv /opt/impasto
RUN /opt/impasto/bin/pip install --no-cache-dir --index-url "$TORCH" --constraint constraints.txt torch
RUN /opt/impasto/bin/pip install --no-cache-dir --constraint constraints.txt '.[all]'
RUN /opt/impasto/bin/impasto stylize sample:astronaut sample:swirl --size 64 --iterations 2 --quiet -o /tmp/painted.png

FROM python:${PYTHON}-slim
COPY --from=build /opt/impasto /opt/impasto
ENV PATH=/opt/impasto/bin:$PATH
RUN useradd --uid 1000 --create-home painter
USER 1000
WORKDIR /pictures
ENTRYPOINT ["impasto"]
CMD ["--help"]
