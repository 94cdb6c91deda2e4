# The page in a container. `docker build -t gpen-ui .` for processors, `--build-arg TORCH=cu128` for NVIDIA cards.
FROM python:3.12-slim-bookworm

# cpu, or a build of PyTorch for a CUDA version: cu118, cu126, cu128, cu130. run.sh says which fits which driver.
ARG TORCH=cpu
ARG TORCH_WHEELS=https://download.pytorch.org/whl

# What OpenCV is linked against, and letters for the reports' pictures in both languages.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 fonts-dejavu-core fonts-noto-cjk \
    && rm -rf /var/lib/apt/lists/*

# A user without rights owns what is written, and nothing else.
RUN useradd --create-home --uid 10001 gpen \
    && mkdir -p /data/outputs /data/models /data/photos \
    && chown gpen:gpen /data/outputs /data/models

WORKDIR /opt/gpen-ui

# Requirements first: a change of the program alone does not install PyTorch again.
COPY requirements.txt requirements-likeness.txt ./
RUN grep -E '^torch(vision)?[^a-z]' requirements.txt >torch.txt \
    && pip install --no-cache-dir --index-url "$TORCH_WHEELS/$TORCH" -r torch.txt \
    && pip install --no-cache-dir -r requirements.txt \
    && pip install --no-cache-dir -r requirements-likeness.txt

COPY pyproject.toml README.md app.py ./
COPY configs configs
COPY gpen_ui gpen_ui
COPY models/gpen-lite-512.pth models/
COPY docs/samples/astronaut-old.jpg docs/samples/
RUN pip install --no-cache-dir --no-deps -e .

USER 10001
ENV GPEN_UI_HOST=0.0.0.0 \
    GPEN_UI_OUTPUTS_FOLDER=/data/outputs \
    GPEN_UI_MODELS_FOLDER=/data/models \
    GPEN_UI_ALLOWED_FOLDERS=/data/photos \
    PYTHONUNBUFFERED=1
VOLUME ["/data/outputs", "/data/models"]
EXPOSE 7860

# Any answer is a sign of life: where a password or token is set, a request without one is refused, which is an answer.
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s CMD ["python", "/opt/gpen-ui/scripts/healthy.py"]
COPY scripts/healthy.py scripts/

# Outside of 127.0.0.1 a password is demanded: `-e GPEN_UI_AUTH=anna:a-long-password`, or GPEN_UI_API_TOKEN for REST alone.
ENTRYPOINT ["python", "-P", "-m", "gpen_ui"]
CMD ["serve"]
