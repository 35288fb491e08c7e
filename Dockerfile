# ssd-data from Debian and PyPI alone; see docs/install.md.
#   docker build -t ssd-data .                       data, pages, scores, ONNX Runtime
#   docker build -t ssd-data-cuda --build-arg CUDA=1 .   and PyTorch, which PyPI has with CUDA

ARG DEBIAN=bookworm

FROM debian:${DEBIAN}-slim AS made
ARG EXTRAS=report,view,score,download,hf,remote,onnx
ARG CUDA=
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv
RUN python3 -m venv /opt/ssd-data
WORKDIR /source
COPY LICENSE README.md pyproject.toml setup.cfg setup.py ./
COPY datasets datasets
COPY labelmaps labelmaps
COPY ssd_data ssd_data
RUN /opt/ssd-data/bin/pip install --no-cache-dir --no-compile ".[${EXTRAS}${CUDA:+,torch}]"
RUN /opt/ssd-data/bin/ssd-data --version

FROM debian:${DEBIAN}-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home ssd
COPY --from=made /opt/ssd-data /opt/ssd-data
ENV PATH=/opt/ssd-data/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1
USER ssd
WORKDIR /work
ENTRYPOINT ["ssd-data"]
CMD ["--help"]
